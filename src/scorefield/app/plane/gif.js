/* Films as GIF89a: the 256 most common colours at 6 bits a channel, pixels by Lempel, Ziv & Welch's code. */
globalThis.gif = (() => {
  "use strict";

  const CODES = 4096; // of 12 bits
  const [CLEAR, END] = [256, 257];
  const word = (value) => [value & 255, value >> 8];
  const text = (letters) => [...letters].map((letter) => letter.charCodeAt(0));

  /** Frames of red, green, blue, opacity … as numbers of 18 bits. */
  const binned = ({ data }) => Uint32Array.from({ length: data.length / 4 }, (_, k) => ((data[4 * k] >> 2) << 12) | ((data[4 * k + 1] >> 2) << 6) | (data[4 * k + 2] >> 2));
  const channels = (bin) => [bin >> 12, (bin >> 6) & 63, bin & 63];

  /** The palette, and for every colour the place in it that is nearest. */
  function reduced(frames) {
    const counts = new Map();
    for (const frame of frames) for (const bin of frame) counts.set(bin, (counts.get(bin) ?? 0) + 1);
    const common = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, 256);
    const palette = common.map(channels);
    const place = new Map(common.map((bin, k) => [bin, k]));
    for (const bin of counts.keys()) if (!place.has(bin)) place.set(bin, nearest(palette, channels(bin)));
    return { palette, place };
  }

  function nearest(palette, [r, g, b]) {
    let [best, least] = [0, Infinity];
    palette.forEach((colour, k) => {
      const distance = (colour[0] - r) ** 2 + (colour[1] - g) ** 2 + (colour[2] - b) ** 2;
      if (distance < least) [best, least] = [k, distance];
    });
    return best;
  }

  /** The codes of a row of bytes, in as many bits as the number of codes so far asks for, and in blocks of 255 bytes. */
  function packed(pixels) {
    const bytes = [];
    let [known, next, width, held, bits] = [new Map(), END + 1, 9, 0, 0];
    const put = (code) => {
      for (held |= code << bits, bits += width; bits >= 8; bits -= 8, held >>>= 8) bytes.push(held & 255);
    };
    put(CLEAR);
    let prefix = pixels[0];
    for (let k = 1; k < pixels.length; k++) {
      const longer = (prefix << 8) | pixels[k];
      const code = known.get(longer);
      if (code !== undefined) {
        prefix = code;
        continue;
      }
      put(prefix);
      prefix = pixels[k];
      if (next < CODES) {
        if (next === 1 << width) width += 1;
        known.set(longer, next++);
      } else {
        put(CLEAR);
        [known, next, width] = [new Map(), END + 1, 9];
      }
    }
    put(prefix);
    if (next === 1 << width && width < 12) width += 1;
    put(END);
    if (bits) bytes.push(held & 255);
    const blocks = [];
    for (let k = 0; k < bytes.length; k += 255) blocks.push(Math.min(255, bytes.length - k), ...bytes.slice(k, k + 255));
    return [8, ...blocks, 0];
  }

  /** The bytes of a film that is repeated, of ImageData of one size, each shown for a time in hundredths of a second. */
  function gif(images, times) {
    const { width, height } = images[0];
    const frames = images.map(binned);
    const { palette, place } = reduced(frames);
    const colours = Array.from({ length: 256 }, (_, k) => (palette[k] ?? [0, 0, 0]).map((v) => Math.round((255 * v) / 63))).flat();
    const parts = [[...text("GIF89a"), ...word(width), ...word(height), 0xf7, 0, 0, ...colours]];
    parts.push([0x21, 0xff, 11, ...text("NETSCAPE2.0"), 3, 1, 0, 0, 0]);
    frames.forEach((frame, k) => {
      parts.push([0x21, 0xf9, 4, 4, ...word(times[k]), 0, 0, 0x2c, 0, 0, 0, 0, ...word(width), ...word(height), 0]);
      parts.push(packed(frame.map((bin) => place.get(bin))));
    });
    return new Blob([...parts.map((part) => Uint8Array.from(part)), Uint8Array.of(0x3b)], { type: "image/gif" });
  }

  return gif;
})();
