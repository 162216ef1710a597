// The values of a series, slice by slice, as the server reads them; fetched once, near ones first.

import { getBytes, type SeriesInfo } from './api.ts';
import type { Cut, Index, Lattice } from './geometry.ts';
import { unpacked } from './packet.ts';

export type Values = Int16Array | Uint16Array | Float32Array | Uint8Array;

interface PixelHeader {
  kind: 'int16' | 'uint16' | 'float32' | 'rgb';
  rows: number;
  columns: number;
}

export interface Picture {
  values: Values;
  rows: number;
  columns: number;
  isColour: boolean;
}

const AT_ONCE = 4;

function read(body: ArrayBuffer): Picture {
  const { header, content } = unpacked<PixelHeader>(body);
  const kinds = { int16: Int16Array, uint16: Uint16Array, float32: Float32Array, rgb: Uint8Array };
  return {
    values: new kinds[header.kind](content),
    rows: header.rows,
    columns: header.columns,
    isColour: header.kind === 'rgb',
  };
}

export class Pixels {
  readonly series: string;
  private readonly count: number;
  private readonly got: (Picture | undefined)[];
  private readonly asked = new Map<number, Promise<Picture>>();
  private readonly ended = new AbortController();
  private listeners: (() => void)[] = [];

  constructor(info: SeriesInfo) {
    this.series = info.series_instance_uid;
    this.count = info.slices.length;
    this.got = new Array(this.count);
  }

  /** Stop fetching: another series is looked at. */
  close(): void {
    this.ended.abort();
    this.listeners = [];
  }

  onSlice(listener: () => void): void {
    this.listeners.push(listener);
  }

  get loaded(): number {
    return this.got.reduce((count) => count + 1, 0);
  }

  get isWhole(): boolean {
    return this.loaded === this.count;
  }

  at(slice: number): Picture | undefined {
    return this.got[slice];
  }

  picture(slice: number): Promise<Picture> {
    const known = this.got[slice];
    if (known) return Promise.resolve(known);
    let asked = this.asked.get(slice);
    if (!asked) {
      const path = `/api/series/${this.series}/images/${slice}`;
      asked = getBytes(path, this.ended.signal).then((body) => {
        const picture = read(body);
        this.got[slice] = picture;
        for (const listener of this.listeners) listener();
        return picture;
      });
      asked.finally(() => this.asked.delete(slice)).catch(() => undefined);
      this.asked.set(slice, asked);
    }
    return asked;
  }

  /** Fetch all slices, those nearest to one first. */
  async all(nearest: number): Promise<void> {
    const order = Array.from({ length: this.count }, (_, slice) => slice).sort(
      (a, b) => Math.abs(a - nearest) - Math.abs(b - nearest),
    );
    const next = order[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (const slice of next) {
        if (this.ended.signal.aborted) return;
        await this.picture(slice).catch(() => undefined);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** Return the value at an index; red, green and blue of a colour image; null where not loaded. */
  value([slice, row, column]: Index): number[] | null {
    const picture = this.got[slice];
    if (!picture || row < 0 || column < 0 || row >= picture.rows || column >= picture.columns) {
      return null;
    }
    const at = row * picture.columns + column;
    if (!picture.isColour) return [picture.values[at]!];
    return [...picture.values.subarray(at * 3, at * 3 + 3)];
  }

  /** Return an image across the slices, which must all be here. */
  cut(lattice: Lattice, cut: Cut, at: number): Picture {
    const first = this.got[0]!;
    const rows = lattice.shape[cut.down];
    const columns = lattice.shape[cut.right];
    const parts = first.isColour ? 3 : 1;
    const Kind = first.values.constructor as new (length: number) => Values;
    const values = new Kind(rows * columns * parts);
    let n = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const [s, r, c] = lattice.indexOf(cut, at, row, column);
        const from = this.got[s]!;
        const offset = (r * from.columns + c) * parts;
        for (let part = 0; part < parts; part++) values[n++] = from.values[offset + part]!;
      }
    }
    return { values, rows, columns, isColour: first.isColour };
  }
}

/** Return a window over the values of a picture: centre and width, its extremes left out. */
export function windowOver({ values }: Picture): [centre: number, width: number] {
  const step = Math.max(1, Math.floor(values.length / 20_000));
  const sample = Array.from(
    { length: Math.floor(values.length / step) },
    (_, n) => values[n * step]!,
  );
  sample.sort((a, b) => a - b);
  const low = sample[Math.floor(sample.length * 0.01)] ?? 0;
  const high = sample[Math.floor(sample.length * 0.99)] ?? 1;
  return [(low + high) / 2, Math.max(high - low, 1e-6)];
}
