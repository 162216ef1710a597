// A mask on a series, voxel for voxel as the server sent it, and what a brush changes of it.

import { getBytes } from './api.ts';
import type { Cut, Index } from './geometry.ts';
import { deflated, inflated, packet, unpacked } from './packet.ts';

interface MaskHeader {
  shape: [number, number, number];
  origin: [number, number, number];
  size: [number, number, number];
}

/** What a stroke changed: the voxels it turned, and in words what it was. */
export interface Stroke {
  says: string;
  turned: ReadonlyMap<number, number[]>;
}

export class Mask {
  readonly shape: [number, number, number];
  /** One byte a voxel, 0 or 1, for each slice that has any. */
  private readonly planes: (Uint8Array | undefined)[] = [];
  private done: Stroke[] = [];
  private undone: Stroke[] = [];

  constructor(shape: [number, number, number]) {
    this.shape = shape;
  }

  static async fetched(result: string, segment: number): Promise<Mask> {
    return Mask.read(await getBytes(`/api/commands/${result}/masks/${segment}`));
  }

  /** Return what a comparison outlined on the prior. */
  static async fetchedOfPrior(result: string, segment: number): Promise<Mask> {
    return Mask.read(await getBytes(`/api/commands/${result}/prior-masks/${segment}`));
  }

  static async read(body: ArrayBuffer): Promise<Mask> {
    const { header, content } = unpacked<MaskHeader>(body);
    const [slices, rows, columns] = header.size;
    const mask = new Mask(header.shape);
    if (slices * rows * columns === 0) return mask;
    const bits = await inflated(content);
    const [s0, r0, c0] = header.origin;
    let n = 0;
    for (let s = s0; s < s0 + slices; s++) {
      const plane = mask.plane(s);
      for (let r = r0; r < r0 + rows; r++) {
        let at = r * mask.shape[2] + c0;
        for (let c = 0; c < columns; c++, n++, at++) {
          plane[at] = (bits[n >> 3]! >> (7 - (n & 7))) & 1;
        }
      }
    }
    return mask;
  }

  async packed(): Promise<Uint8Array<ArrayBuffer>> {
    const low: Index = [...this.shape];
    const high: Index = [-1, -1, -1];
    this.each((index) => {
      for (let axis = 0; axis < 3; axis++) {
        low[axis] = Math.min(low[axis]!, index[axis]!);
        high[axis] = Math.max(high[axis]!, index[axis]!);
      }
    });
    const isEmpty = high[0] < 0;
    const origin = isEmpty ? [0, 0, 0] : low;
    const size = (isEmpty ? [0, 0, 0] : high.map((h, axis) => h - low[axis]! + 1)) as Index;
    const bits = new Uint8Array(Math.ceil((size[0] * size[1] * size[2]) / 8));
    let n = 0;
    for (let s = 0; s < size[0]; s++) {
      for (let r = 0; r < size[1]; r++) {
        for (let c = 0; c < size[2]; c++, n++) {
          if (this.has([low[0] + s, low[1] + r, low[2] + c])) bits[n >> 3]! |= 128 >> (n & 7);
        }
      }
    }
    const content = bits.length ? await deflated(bits) : bits;
    return packet({ shape: this.shape, origin, size }, content);
  }

  private plane(slice: number): Uint8Array {
    return (this.planes[slice] ??= new Uint8Array(this.shape[1] * this.shape[2]));
  }

  has([slice, row, column]: Index): boolean {
    if (row < 0 || column < 0 || row >= this.shape[1] || column >= this.shape[2]) return false;
    return this.planes[slice]?.[row * this.shape[2] + column] === 1;
  }

  get count(): number {
    let count = 0;
    this.each(() => count++);
    return count;
  }

  /** Return the middle of the mask on a slice, as row and column; null where it has none there. */
  centreOn(slice: number): [row: number, column: number] | null {
    let [rows, columns, count] = [0, 0, 0];
    this.planes[slice]?.forEach((voxel, at) => {
      if (!voxel) return;
      rows += Math.floor(at / this.shape[2]);
      columns += at % this.shape[2];
      count++;
    });
    return count ? [Math.round(rows / count), Math.round(columns / count)] : null;
  }

  private each(visit: (index: Index) => void): void {
    const columns = this.shape[2];
    this.planes.forEach((plane, slice) => {
      plane?.forEach((voxel, at) => {
        if (voxel) visit([slice, Math.floor(at / columns), at % columns]);
      });
    });
  }

  /** Return the pixels of a cut: rows x columns, 0 or 1; null where the mask is not on it. */
  on(cut: Cut, at: number): Uint8Array | null {
    const rows = this.shape[cut.down];
    const columns = this.shape[cut.right];
    const pixels = new Uint8Array(rows * columns);
    const index: Index = [0, 0, 0];
    index[cut.axis] = at;
    let any = false;
    for (let row = 0; row < rows; row++) {
      index[cut.down] = cut.downFlipped ? rows - 1 - row : row;
      for (let column = 0; column < columns; column++) {
        index[cut.right] = cut.rightFlipped ? columns - 1 - column : column;
        if (!this.has(index)) continue;
        pixels[row * columns + column] = 1;
        any = true;
      }
    }
    return any ? pixels : null;
  }

  /** Paint or erase discs round places on a slice; return what changed, to be kept with `keep`. */
  brush(slice: number, places: [number, number][], radius: number, on: boolean): number[] {
    const [, rows, columns] = this.shape;
    const value = on ? 1 : 0;
    const turned: number[] = [];
    const plane = this.plane(slice);
    for (const [row, column] of places) {
      for (let r = Math.ceil(row - radius); r <= row + radius; r++) {
        for (let c = Math.ceil(column - radius); c <= column + radius; c++) {
          if (r < 0 || c < 0 || r >= rows || c >= columns) continue;
          if (Math.hypot(r - row, c - column) > radius) continue;
          const at = r * columns + c;
          if (plane[at] === value) continue;
          plane[at] = value;
          turned.push(at);
        }
      }
    }
    return turned;
  }

  /**
   * Add every voxel that an offset reaches from the outline, or take away; return what changed.
   *
   * Beyond the images nothing is known: what lies at their edge is not taken away from there.
   */
  reach(offsets: readonly Index[], larger: boolean): Map<number, number[]> {
    const turned = new Map<number, Set<number>>();
    const [slices, rows, columns] = this.shape;
    const isInside = ([s, r, c]: Index): boolean =>
      s >= 0 && r >= 0 && c >= 0 && s < slices && r < rows && c < columns;
    this.each((index) => {
      for (const step of offsets) {
        const other = index.map((at, axis) => at + step[axis]!) as Index;
        if (!isInside(other) || this.has(other)) continue;
        const [s, r, c] = larger ? other : index;
        if (!turned.has(s)) turned.set(s, new Set());
        turned.get(s)!.add(r * columns + c);
        if (!larger) return;
      }
    });
    const changed = new Map([...turned].map(([s, places]) => [s, [...places]]));
    changed.forEach((places, s) => {
      const plane = this.plane(s);
      for (const at of places) plane[at] = 1 - plane[at]!;
    });
    return changed;
  }

  keep(stroke: Stroke): void {
    if (!stroke.turned.size) return;
    this.done.push(stroke);
    this.undone = [];
  }

  get lastDone(): string | null {
    return this.done.at(-1)?.says ?? null;
  }

  get lastUndone(): string | null {
    return this.undone.at(-1)?.says ?? null;
  }

  get isChanged(): boolean {
    return this.done.length > 0;
  }

  undo(): string | null {
    return this.swap(this.done, this.undone);
  }

  redo(): string | null {
    return this.swap(this.undone, this.done);
  }

  /** Take every stroke back. */
  restore(): void {
    while (this.undo() !== null);
    this.undone = [];
  }

  private swap(from: Stroke[], to: Stroke[]): string | null {
    const stroke = from.pop();
    if (!stroke) return null;
    stroke.turned.forEach((turned, slice) => {
      const plane = this.plane(slice);
      for (const at of turned) plane[at] = 1 - plane[at]!;
    });
    to.push(stroke);
    return stroke.says;
  }
}

/** Return the outline of pixels as line ends in pixel edges: row and column of each end in turn. */
export function outline(pixels: Uint8Array, rows: number, columns: number): Float32Array {
  const ends: number[] = [];
  const at = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= rows || column >= columns ? 0 : pixels[row * columns + column]!;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      if (!pixels[row * columns + column]) continue;
      if (!at(row - 1, column)) ends.push(row - 0.5, column - 0.5, row - 0.5, column + 0.5);
      if (!at(row + 1, column)) ends.push(row + 0.5, column - 0.5, row + 0.5, column + 0.5);
      if (!at(row, column - 1)) ends.push(row - 0.5, column - 0.5, row + 0.5, column - 0.5);
      if (!at(row, column + 1)) ends.push(row - 0.5, column + 0.5, row + 0.5, column + 0.5);
    }
  }
  return new Float32Array(ends);
}
