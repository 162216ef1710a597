// Which of the server's slices an image of OHIF is, by where both stand in the patient: the two sort
// series each in its own way, so no number of an image is believed.

import type { SeriesInfo } from '../src/api.ts';
import { type Plane, type Vector, dot, length, less } from '../src/geometry.ts';
import { type BoxHint, type PointHint, boxBetween, inside } from '../src/hints.ts';

/** Where an image of OHIF stands, as Cornerstone3D tells it. */
export interface Image {
  id: string;
  rows: number;
  columns: number;
  origin: Vector | null;
  row: Vector | null;
  column: Vector | null;
}

/** For each image of OHIF, by its place in the list, the slice it is. */
export type Placed = { slices: number[] } | { refusal: string };

const SAME_MM = 0.01;
const SAME_WAY = 0.9999;
const FRAME = /\/frames\/(\d+)$/;

export function placed(info: SeriesInfo, images: readonly Image[]): Placed {
  const bySlice = new Set<number>();
  const slices: number[] = [];
  for (const image of images) {
    const found = info.slices.flatMap((plane, n) => (isSame(plane, image) ? [n] : []));
    if (found.length !== 1) return byFrame(info, images);
    slices.push(found[0]!);
    bySlice.add(found[0]!);
  }
  if (bySlice.size !== slices.length) return { refusal: SEVERAL };
  return { slices };
}

const SEVERAL =
  'Several images of this series stand at one place: which is which cannot be known here. Read it on the station’s own page.';
const NOWHERE =
  'The images of this series stand elsewhere in OHIF than at the station: nothing is drawn on them here. Read it on the station’s own page.';

function isSame(plane: Plane, image: Image): boolean {
  const { origin, row, column } = plane;
  if (!origin || !row || !column || !image.origin || !image.row || !image.column) return false;
  return (
    plane.rows === image.rows &&
    plane.columns === image.columns &&
    length(less(origin, image.origin)) <= SAME_MM &&
    dot(row, image.row) >= SAME_WAY &&
    dot(column, image.column) >= SAME_WAY
  );
}

/** Place the frames of one object by their number, where they have no other place: a cine, a photo. */
function byFrame(info: SeriesInfo, images: readonly Image[]): Placed {
  const hasPlaces = !info.is_time && info.slices.some(({ origin }) => origin);
  if (hasPlaces) return { refusal: NOWHERE };
  const objects = new Set(images.map(({ id }) => id.replace(FRAME, '')));
  const slices = images.map(({ id, rows, columns }) => {
    const frame = Number(FRAME.exec(id)?.[1] ?? 1);
    const at = info.slices.findIndex((each) => each.frame === frame);
    const slice = info.slices[at];
    return slice?.rows === rows && slice.columns === columns ? at : -1;
  });
  const isWhole = objects.size === 1 && images.length === info.slices.length;
  const isClear = new Set(slices).size === slices.length && !slices.includes(-1);
  return isWhole && isClear ? { slices } : { refusal: SEVERAL };
}

/** What was drawn on one image: corners of a rectangle, or one place, in LPS millimetres. */
export interface Drawing {
  kind: 'box' | 'point';
  points: readonly Vector[];
}

/** Return what was drawn on a slice as a prompt; null where it does not lie on that slice. */
export function asHint(drawing: Drawing, plane: Plane, slice: number): BoxHint | PointHint | null {
  const places = drawing.points.map((each) => onPlane(each, plane));
  if (!places.length || places.some((each) => each === null)) return null;
  const [rows, columns] = [0, 1].map((axis) => places.map((each) => each![axis]!));
  const size: [number, number] = [plane.rows, plane.columns];
  if (drawing.kind === 'point') {
    const [row, column] = inside([rows![0]!, columns![0]!], size).map(Math.round);
    const within = (at: number, most: number): number => Math.max(0, Math.min(most - 1, at));
    return {
      kind: 'point',
      slice,
      row: within(row!, size[0]),
      column: within(column!, size[1]),
      positive: true,
    };
  }
  return boxBetween(
    slice,
    [Math.min(...rows!), Math.min(...columns!)],
    [Math.max(...rows!), Math.max(...columns!)],
    size,
  );
}

/** Return row and column of a position, fractions kept; null where it lies off the plane. */
function onPlane(position: Vector, plane: Plane): [row: number, column: number] | null {
  const { origin, row, column, spacing_mm } = plane;
  const [down, right] = spacing_mm ?? [1, 1];
  const from = less(position, origin ?? [0, 0, 0]);
  const [along, across] = [row ?? [1, 0, 0], column ?? [0, 1, 0]] as [Vector, Vector];
  const [x, y] = [dot(from, along), dot(from, across)];
  const off = Math.sqrt(Math.max(0, dot(from, from) - x * x - y * y));
  if (origin && off > OFF_MM) return null;
  return [y / down, x / right];
}

const OFF_MM = 0.1;
