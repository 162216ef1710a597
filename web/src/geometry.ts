// Where voxels stand in the patient. One convention, the server's: an index is (slice, row, column),
// zero-based, at voxel centres; a position is LPS millimetres; left and right are the patient's.

export type Vector = [number, number, number];
export type Index = [slice: number, row: number, column: number];

/** Where one stored image stands; null where its place in the patient is not known. */
export interface Plane {
  rows: number;
  columns: number;
  spacing_mm: [row: number, column: number] | null;
  origin: Vector | null;
  row: Vector | null;
  column: Vector | null;
}

export const scaled = (a: Vector, by: number): Vector => [a[0] * by, a[1] * by, a[2] * by];
export const added = (a: Vector, b: Vector): Vector => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const less = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const length = (a: Vector): number => Math.hypot(...a);
export const unit = (a: Vector): Vector => scaled(a, 1 / length(a));
export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

const ENDS: [plus: string, minus: string][] = [
  ['L', 'R'],
  ['P', 'A'],
  ['H', 'F'],
];
const OBLIQUE = 0.3;

/** Return the letters of a direction in the patient, the main one first: "L", "LP", "HAR". */
export function letters(direction: Vector): string {
  return direction
    .map((part, axis) => ({ part, ends: ENDS[axis]! }))
    .filter(({ part }) => Math.abs(part) > OBLIQUE)
    .sort((a, b) => Math.abs(b.part) - Math.abs(a.part))
    .map(({ part, ends }) => (part > 0 ? ends[0] : ends[1]))
    .join('');
}

/** Which axis of a volume a view looks along, and which of its axes run down and to the right. */
export interface Cut {
  axis: 0 | 1 | 2;
  down: 0 | 1 | 2;
  right: 0 | 1 | 2;
  downFlipped: boolean;
  rightFlipped: boolean;
}

/** The images as they were taken. */
export const AS_TAKEN: Cut = {
  axis: 0,
  down: 1,
  right: 2,
  downFlipped: false,
  rightFlipped: false,
};

export class Lattice {
  readonly shape: [number, number, number];
  private readonly affine: number[][];

  constructor(affine: number[][], shape: [number, number, number]) {
    this.affine = affine;
    this.shape = shape;
  }

  /** Step to the next voxel along an axis, in LPS millimetres. */
  step(axis: 0 | 1 | 2): Vector {
    return [0, 1, 2].map((row) => this.affine[row]![axis]!) as Vector;
  }

  position(index: Index): Vector {
    return [0, 1, 2].map((row) => {
      const [a, b, c, d] = this.affine[row] as [number, number, number, number];
      return a * index[0] + b * index[1] + c * index[2] + d;
    }) as Vector;
  }

  /** Return the fractional index of a position. */
  index(position: Vector): Index {
    const from = less(position, this.position([0, 0, 0]));
    const [s, r, c] = [this.step(0), this.step(1), this.step(2)];
    const volume = dot(s, cross(r, c));
    return [
      dot(from, cross(r, c)) / volume,
      dot(s, cross(from, c)) / volume,
      dot(s, cross(r, from)) / volume,
    ];
  }

  /** Return the cut across an axis, turned as radiologists hang it: head or front up, right at left. */
  cut(axis: 0 | 1 | 2): Cut {
    if (axis === 0) return AS_TAKEN;
    const others = ([0, 1, 2] as const).filter((each) => each !== axis);
    const upright = (each: 0 | 1 | 2): number => {
      const [, y, z] = unit(this.step(each));
      return 2 * Math.abs(z) + Math.abs(y);
    };
    const down = upright(others[0]!) >= upright(others[1]!) ? others[0]! : others[1]!;
    const right = down === others[0] ? others[1]! : others[0]!;
    const falls = unit(this.step(down));
    const runs = unit(this.step(right));
    const headward = Math.abs(falls[2]) >= Math.abs(falls[1]);
    return {
      axis,
      down,
      right,
      downFlipped: headward ? falls[2] > 0 : falls[1] < 0,
      rightFlipped: Math.abs(runs[0]) >= Math.abs(runs[1]) ? runs[0] < 0 : runs[1] < 0,
    };
  }

  /** Return the plane of an image of a cut, for a renderer that knows rows and columns alone. */
  plane(cut: Cut, at: number): Plane {
    const corner: Index = [0, 0, 0];
    corner[cut.axis] = at;
    if (cut.downFlipped) corner[cut.down] = this.shape[cut.down] - 1;
    if (cut.rightFlipped) corner[cut.right] = this.shape[cut.right] - 1;
    const falls = scaled(this.step(cut.down), cut.downFlipped ? -1 : 1);
    const runs = scaled(this.step(cut.right), cut.rightFlipped ? -1 : 1);
    return {
      rows: this.shape[cut.down],
      columns: this.shape[cut.right],
      spacing_mm: [length(falls), length(runs)],
      origin: this.position(corner),
      row: unit(runs),
      column: unit(falls),
    };
  }

  /** Return the index of a pixel of a cut; fractions stay fractions. */
  indexOf(cut: Cut, at: number, row: number, column: number): Index {
    const index: Index = [0, 0, 0];
    index[cut.axis] = at;
    index[cut.down] = cut.downFlipped ? this.shape[cut.down] - 1 - row : row;
    index[cut.right] = cut.rightFlipped ? this.shape[cut.right] - 1 - column : column;
    return index;
  }

  /** Return the row and column of an index on a cut. */
  pixelOf(cut: Cut, index: Index): [row: number, column: number] {
    const row = index[cut.down];
    const column = index[cut.right];
    return [
      cut.downFlipped ? this.shape[cut.down] - 1 - row : row,
      cut.rightFlipped ? this.shape[cut.right] - 1 - column : column,
    ];
  }
}

/** Return a round length that fits into a space, in millimetres: 1, 2 or 5 times a power of ten. */
export function roundLength(most_mm: number): number {
  const power = 10 ** Math.floor(Math.log10(most_mm));
  const factor = [5, 2, 1].find((each) => each * power <= most_mm) ?? 1;
  return factor * power;
}

/** Return the angle at the middle of three positions, in degrees. */
export function angle(from: Vector, at: Vector, to: Vector): number {
  const cosine = dot(unit(less(from, at)), unit(less(to, at)));
  return (Math.acos(Math.min(1, Math.max(-1, cosine))) * 180) / Math.PI;
}
