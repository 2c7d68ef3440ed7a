/* A view to draw on, as `drawing.prepare` makes one of a canvas, that keeps what is drawn as SVG. */
globalThis.vector = (() => {
  "use strict";

  const short = (value) => Number(value.toFixed(2));

  /** The path of a canvas, written as the path of an SVG. */
  class Path {
    d = "";

    moveTo(x, y) {
      this.d += `M${short(x)} ${short(y)}`;
    }

    lineTo(x, y) {
      this.d += `L${short(x)} ${short(y)}`;
    }

    /** A whole circle, from its rightmost point, where the path has come to. */
    arc(_x, _y, radius) {
      const half = (way) => `a${radius} ${radius} 0 1 1 ${2 * way * radius} 0`;
      this.d += half(-1) + half(1);
    }
  }

  class Context {
    parts = [];
    globalAlpha = 1;

    fill({ d }) {
      this.parts.push(`<path d="${d}" fill="${this.fillStyle}" fill-opacity="${this.globalAlpha}"/>`);
    }

    stroke({ d }) {
      this.parts.push(`<path d="${d}" fill="none" stroke="${this.strokeStyle}" stroke-width="${this.lineWidth}" stroke-opacity="${this.globalAlpha}"/>`);
    }

    fillRect(x, y, width, height) {
      this.parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${this.fillStyle}"/>`);
    }

    /** Shadings stay pictures of as many pixels. */
    drawImage(picture, x, y, width, height) {
      const place = `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
      this.parts.push(`<image href="${picture.toDataURL()}" ${place} preserveAspectRatio="none"/>`);
    }
  }

  /** The view of a canvas's size, in the same coordinates. */
  function view({ width, height, scale, px, py }) {
    const context = new Context();
    const text = () => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}">${context.parts.join("\n")}</svg>\n`;
    return { context, width, height, scale, px, py, path: () => new Path(), text };
  }

  return { view };
})();
