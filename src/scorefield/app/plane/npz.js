/* Arrays as NumPy stores them, .npz: a ZIP archive, not compressed, of a .npy file for each. */
globalThis.npz = (() => {
  "use strict";

  const encoder = new TextEncoder();
  const little = (bytes, ...values) => values.flatMap((value) => Array.from({ length: bytes }, (_, k) => (value >>> (8 * k)) & 255));

  const TABLE = Uint32Array.from({ length: 256 }, (_, k) => {
    for (let bit = 0; bit < 8; bit++) k = k & 1 ? 0xedb88320 ^ (k >>> 1) : k >>> 1;
    return k;
  });
  const crc32 = (bytes) => ~bytes.reduce((crc, byte) => TABLE[(crc ^ byte) & 255] ^ (crc >>> 8), -1);

  /** The .npy file of points x₀ y₀ x₁ y₁ …, shape (n, 2). */
  function npy(points) {
    const head = `{'descr': '<f8', 'fortran_order': False, 'shape': (${points.length / 2}, 2), }`.padEnd(117) + "\n"; // 128 bytes with what precedes it
    const begin = [0x93, ...encoder.encode("NUMPY"), 1, 0, ...little(2, head.length), ...encoder.encode(head)];
    const file = new Uint8Array(begin.length + 8 * points.length);
    file.set(begin);
    const values = new DataView(file.buffer, begin.length);
    points.forEach((value, k) => values.setFloat64(8 * k, value, true));
    return file;
  }

  /** The archive of points by name. */
  function npz(arrays) {
    const [files, listed] = [[], []];
    let at = 0;
    for (const [name, points] of Object.entries(arrays)) {
      const [path, file] = [encoder.encode(`${name}.npy`), npy(points)];
      // Version 2.0, no flags, no compression, midnight of 1 January 1980; checksum, sizes; lengths of the name and of nothing more.
      const about = [...little(2, 20, 0, 0, 0, 33), ...little(4, crc32(file), file.length, file.length), ...little(2, path.length, 0)];
      files.push(Uint8Array.from([...little(4, 0x04034b50), ...about, ...path]), file);
      listed.push(...little(4, 0x02014b50), ...little(2, 20), ...about, ...little(2, 0, 0, 0), ...little(4, 0, at), ...path);
      at += 30 + path.length + file.length;
    }
    const count = files.length / 2;
    const end = [...little(4, 0x06054b50), ...little(2, 0, 0, count, count), ...little(4, listed.length, at), ...little(2, 0)];
    return new Blob([...files, Uint8Array.from([...listed, ...end])], { type: "application/zip" });
  }

  return npz;
})();
