// Where OHIF's images stand among the server's slices, and what drawn things are on them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { SeriesInfo } from '../src/api.ts';
import { type Plane, type Vector, added, cross, scaled, unit } from '../src/geometry.ts';
import { type Image, asHint, placed } from './placing.ts';

const ROWS = 64;
const COLUMNS = 48;
const ROW = unit([0.9, 0.1, -0.2]);
const NORMAL = unit(cross(ROW, [0.05, 0.99, 0.1]));
const COLUMN = cross(NORMAL, ROW);
const SPACING: [number, number] = [1.5, 0.7];

const plane = (n: number): Plane => ({
  rows: ROWS,
  columns: COLUMNS,
  spacing_mm: SPACING,
  origin: added([-20, -30, 40], scaled(NORMAL, 2 * n)),
  row: ROW,
  column: COLUMN,
});

const series = (planes: Plane[], is_time = false): SeriesInfo =>
  ({
    is_time,
    slices: planes.map((each, n) => ({ frame: n + 1, ...each })),
  }) as unknown as SeriesInfo;

const oblique = series(Array.from({ length: 12 }, (_, n) => plane(n)));

const image = (n: number, id = `wadors:/instances/${n}/frames/1`): Image => {
  const { rows, columns, origin, row, column } = plane(n);
  return { id, rows, columns, origin, row, column };
};

function at(n: number, row: number, column: number): Vector {
  const { origin } = plane(n);
  const down = scaled(COLUMN, row * SPACING[0]);
  return added(origin!, added(down, scaled(ROW, column * SPACING[1])));
}

test('images find their slices whatever order they come in', () => {
  const order = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
  const shuffled = [3, 7, 0, 11, 5];
  assert.deepEqual(
    placed(
      oblique,
      order.map((n) => image(n)),
    ),
    { slices: order },
  );
  assert.deepEqual(
    placed(
      oblique,
      shuffled.map((n) => image(n)),
    ),
    { slices: shuffled },
  );
});

test('images that stand a hair elsewhere, or are turned or of another size, are refused', () => {
  const moved = { ...image(4), origin: added(image(4).origin!, [0.05, 0, 0]) };
  const turned = { ...image(4), row: COLUMN, column: ROW };
  const flipped = { ...image(4), column: scaled(COLUMN, -1) };
  const larger = { ...image(4), rows: ROWS * 2 };
  for (const other of [moved, turned, flipped, larger]) {
    assert.ok('refusal' in placed(oblique, [image(3), other]));
  }
});

test('two images at one place are not told apart by a guess', () => {
  assert.ok('refusal' in placed(series([plane(0), plane(0)]), [image(0, 'a'), image(0, 'b')]));
  assert.ok('refusal' in placed(oblique, [image(2, 'a'), image(2, 'b')]));
});

test('frames of one instance without a place go by their number', () => {
  const bare = { rows: ROWS, columns: COLUMNS, origin: null, row: null, column: null };
  const cine = series([0, 1, 2].map(() => ({ ...bare, spacing_mm: null })));
  const frames = [3, 1, 2].map((n) => ({ ...bare, id: `wadors:/instances/7/frames/${n}` }));
  assert.deepEqual(placed(cine, frames), { slices: [2, 0, 1] });
  const others = [1, 2, 3].map((n) => ({ ...bare, id: `wadors:/instances/${n}/frames/1` }));
  assert.ok('refusal' in placed(cine, others));
  const stated = frames.map((each) => ({ ...each, id: each.id.replace('7', '8') }));
  assert.ok('refusal' in placed(oblique, stated));
});

test('a rectangle is the box of every pixel it touches', () => {
  const corners = [at(5, 9.8, 20.2), at(5, 9.8, 31), at(5, 40.4, 20.2), at(5, 40.4, 31)];
  assert.deepEqual(asHint({ kind: 'box', points: corners }, plane(5), 5), {
    kind: 'box',
    slice: 5,
    rows: [10, 41],
    columns: [20, 32],
  });
});

test('a rectangle beyond the images is cut at their edge', () => {
  const corners = [at(5, -9, -4), at(5, 200, 10)];
  assert.deepEqual(asHint({ kind: 'box', points: corners }, plane(5), 5), {
    kind: 'box',
    slice: 5,
    rows: [0, ROWS],
    columns: [0, 11],
  });
});

test('a probe is the click on its pixel', () => {
  assert.deepEqual(asHint({ kind: 'point', points: [at(2, 30.3, 12.4)] }, plane(2), 2), {
    kind: 'point',
    slice: 2,
    row: 30,
    column: 12,
    positive: true,
  });
});

test('what lies on another image is none of this one', () => {
  const corners = [at(5, 9, 20), at(6, 40, 31)];
  assert.equal(asHint({ kind: 'box', points: corners }, plane(5), 5), null);
  assert.equal(asHint({ kind: 'point', points: [at(6, 9, 20)] }, plane(5), 5), null);
});
