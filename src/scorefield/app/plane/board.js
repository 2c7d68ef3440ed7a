/* The checkerboard: uniform on every other square of a board of side × side squares, `size` wide, centred at the origin. */
(() => {
  "use strict";

  const { DISTRIBUTIONS, LOG_2PI, logTail } = globalThis.scorefield;

  /** Noised, a square is a product of intervals, each Φ((b − y)/σ) − Φ((a − y)/σ). Dark are those with row and column both even or
      both odd, so that p_σ = (X₀Y₀ + X₁Y₁)/Kh², X₀ and X₁ the sums of the intervals of even and of odd columns, Y those of rows. */
  function checkerboard({ side, size }) {
    const edge = size / side;
    const squares = [];
    for (let i = 0; i < side; i++) for (let j = i % 2; j < side; j += 2) squares.push([i, j]);
    const area = Math.log(squares.length) + 2 * Math.log(edge);
    const corner = (k) => k * edge - size / 2;

    function at(sigma) {
      const [columns, rows] = [stripes(side, corner, sigma), stripes(side, corner, sigma)];
      return (x, y, out) => {
        columns.see(x);
        rows.see(y);
        const even = columns.log[0] + rows.log[0];
        const odd = columns.log[1] + rows.log[1];
        const w = 1 / (1 + Math.exp(odd - even));
        out[0] = (even > odd ? even - Math.log(w) : odd - Math.log(1 - w)) - area;
        out[1] = w * columns.slope[0] + (1 - w) * columns.slope[1];
        out[2] = w * rows.slope[0] + (1 - w) * rows.slope[1];
      };
    }

    /** u chooses the square and the place along it. */
    function draw(u, v) {
      const k = Math.floor(u * squares.length);
      const [i, j] = squares[k];
      return [corner(i + u * squares.length - k), corner(j + v)];
    }

    /** The square that a point lies in, or is nearest to. */
    function partOf(x, y) {
      let [best, least] = [0, Infinity];
      squares.forEach(([i, j], k) => {
        const [dx, dy] = [outside(x, i), outside(y, j)];
        if (dx * dx + dy * dy < least) [best, least] = [k, dx * dx + dy * dy];
      });
      return best;
    }
    const outside = (v, k) => Math.max(corner(k) - v, v - corner(k + 1), 0);

    const variance = size ** 2 / 12;
    const parts = squares.map(() => 1 / squares.length);
    return { parts, moments: [[0, 0], [variance, variance]], narrowest: 0, at, partOf, draw };
  }

  /** The mass of even and of odd intervals under N(y, σ²): its logarithm, and the slope of that. */
  function stripes(side, corner, sigma) {
    const u = new Float64Array(side + 1);
    const tail = new Float64Array(side + 1); // log Φ(−|u|)
    const height = new Float64Array(side + 1); // log of the normal density at u
    const mass = new Float64Array(side);
    const [log, slope] = [[0, 0], [0, 0]];

    function see(y) {
      for (let k = 0; k <= side; k++) {
        u[k] = (corner(k) - y) / sigma;
        tail[k] = logTail(Math.abs(u[k]));
        height[k] = -0.5 * (u[k] * u[k] + LOG_2PI);
      }
      for (let k = 0; k < side; k++) mass[k] = between(u[k], u[k + 1], tail[k], tail[k + 1]);
      for (const parity of [0, 1]) {
        let [top, sum, moment] = [-Infinity, 0, 0];
        for (let k = parity; k < side; k += 2) top = Math.max(top, mass[k]);
        for (let k = parity; k < side; k += 2) {
          sum += Math.exp(mass[k] - top);
          moment += Math.exp(height[k] - top) - Math.exp(height[k + 1] - top);
        }
        log[parity] = top + Math.log(sum);
        slope[parity] = moment / (sum * sigma);
      }
    }
    return { see, log, slope };
  }

  /** log [Φ(b) − Φ(a)], a < b, without cancellation, from the logarithms of the tails beyond a and b. */
  function between(a, b, tailA, tailB) {
    if (a < 0 && b > 0) return Math.log1p(-Math.exp(tailA) - Math.exp(tailB));
    const [far, near] = a < 0 ? [tailA, tailB] : [tailB, tailA];
    return near + Math.log(-Math.expm1(far - near));
  }

  Object.assign(DISTRIBUTIONS, { checkerboard });
})();
