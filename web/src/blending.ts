// A volume laid over another one's images: where each pixel falls in it, and in which colour.

import {
  type Cut,
  type Index,
  type Lattice,
  type Vector,
  added,
  less,
  scaled,
} from './geometry.ts';

/** What a volume is asked for: its values by slice, row and column; absent where not loaded. */
export interface Source {
  lattice: Lattice;
  plane(slice: number): ArrayLike<number> | undefined;
}

const HALF = 0.5;
const NEAR = 1e-6;

/** Where pixel (0, 0) of an image falls in another lattice, and the steps along rows and columns. */
function walk(onto: Lattice, cut: Cut, at: number, lattice: Lattice): [Index, Vector, Vector] {
  const there = (row: number, column: number): Index =>
    lattice.index(onto.position(onto.indexOf(cut, at, row, column)));
  const first = there(0, 0);
  return [first, less(there(1, 0), first), less(there(0, 1), first)];
}

/**
 * Return the values of a volume at the pixels of an image of a cut, linear between voxels; NaN
 * beyond its outermost voxels' edges, and where it is not loaded.
 */
export function resampled(source: Source, onto: Lattice, cut: Cut, at: number): Float32Array {
  const [rows, columns] = [onto.shape[cut.down], onto.shape[cut.right]];
  const [first, down, right] = walk(onto, cut, at, source.lattice);
  const values = new Float32Array(rows * columns);
  for (let row = 0, n = 0; row < rows; row++) {
    const start = added(first, scaled(down, row));
    for (let column = 0; column < columns; column++, n++) {
      values[n] = valueAt(source, added(start, scaled(right, column)));
    }
  }
  return values;
}

/** Return the value at a fractional index, linear between the eight voxels round it. */
export function valueAt({ lattice, plane }: Source, index: Index): number {
  const low: Index = [0, 0, 0];
  const part: Vector = [0, 0, 0];
  for (let axis = 0; axis < 3; axis++) {
    const last = lattice.shape[axis]! - 1;
    const at = index[axis]!;
    if (!(at >= -HALF - NEAR && at <= last + HALF + NEAR)) return NaN;
    const inside = Math.min(last, Math.max(0, at));
    low[axis] = Math.min(Math.floor(inside), Math.max(0, last - 1));
    part[axis] = inside - low[axis]!;
  }
  let value = 0;
  for (let s = 0; s < 2; s++) {
    const ofSlice = s ? part[0] : 1 - part[0];
    if (!ofSlice) continue;
    const pixels = plane(low[0] + s);
    if (!pixels) return NaN;
    for (let corner = 0; corner < 4; corner++) {
      const [r, c] = [corner >> 1, corner & 1];
      const weight = ofSlice * (r ? part[1] : 1 - part[1]) * (c ? part[2] : 1 - part[2]);
      if (weight) value += weight * pixels[(low[1] + r) * lattice.shape[2] + low[2] + c]!;
    }
  }
  return value;
}

/** Colours of rising uptake: black, red, yellow, white. */
const HOT: [at: number, colour: [number, number, number]][] = [
  [0, [0, 0, 0]],
  [0.35, [190, 20, 10]],
  [0.7, [255, 190, 20]],
  [1, [255, 255, 235]],
];

/** Return the colour of a share of the range, 0 to 1; what lies beyond takes the end's. */
export function hot(share: number): [red: number, green: number, blue: number] {
  const at = Math.min(1, Math.max(0, share));
  const next = Math.max(
    1,
    HOT.findIndex(([edge]) => edge >= at),
  );
  const [[from, a], [to, b]] = [HOT[next - 1]!, HOT[next]!];
  const along = (at - from) / (to - from);
  return [0, 1, 2].map((n) => Math.round(a[n]! + (b[n]! - a[n]!) * along)) as [
    number,
    number,
    number,
  ];
}

/** Paint values as colours; what has no uptake lets the image below be seen. */
export function paint(
  values: Float32Array,
  top: number,
  opacity: number,
  into: Uint8ClampedArray,
): void {
  for (let n = 0; n < values.length; n++) {
    const share = values[n]! / top;
    if (!(share > 0)) continue;
    const [red, green, blue] = hot(share);
    into[4 * n] = red;
    into[4 * n + 1] = green;
    into[4 * n + 2] = blue;
    into[4 * n + 3] = Math.round(255 * opacity * Math.min(1, Math.sqrt(share)));
  }
}
