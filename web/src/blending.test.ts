import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hot, paint, resampled, valueAt } from './blending.ts';
import { AS_TAKEN, Lattice } from './geometry.ts';

/** Values that are linear in the patient: 2 x + 3 y + 5 z, so that any interpolation knows them. */
const linear = ([x, y, z]: [number, number, number]): number => 2 * x + 3 * y + 5 * z + 400;

const COARSE = new Lattice(
  [
    [0, 0, -4, 30],
    [0, 4, 0, -36],
    [5, 0, 0, -20],
    [0, 0, 0, 1],
  ],
  [9, 18, 18],
);
const FINE = new Lattice(
  [
    [0, 0, 1, -20],
    [0, 1, 0, -20],
    [2, 0, 0, -10],
    [0, 0, 0, 1],
  ],
  [8, 40, 40],
);

function source() {
  const [slices, rows, columns] = COARSE.shape;
  const planes = Array.from({ length: slices }, (_, s) =>
    Float32Array.from({ length: rows * columns }, (_, n) =>
      linear(COARSE.position([s, Math.floor(n / columns), n % columns])),
    ),
  );
  return { lattice: COARSE, plane: (slice: number) => planes[slice] };
}

test('each pixel gets the value at its own place in the patient, mirrored columns or not', () => {
  for (const axis of [0, 1, 2] as const) {
    const cut = FINE.cut(axis);
    const at = 3;
    const values = resampled(source(), FINE, cut, at);
    const columns = FINE.shape[cut.right];
    for (let n = 0; n < values.length; n += 7) {
      const place = FINE.indexOf(cut, at, Math.floor(n / columns), n % columns);
      assert.ok(Math.abs(values[n]! - linear(FINE.position(place))) < 1e-2, `${axis} ${n}`);
    }
  }
});

test('beyond the edge of the outermost voxels there is nothing', () => {
  const from = source();
  assert.equal(Number.isNaN(valueAt(from, [-0.6, 3, 3])), true);
  assert.equal(Number.isNaN(valueAt(from, [3, 3, 17.6])), true);
  assert.equal(valueAt(from, [-0.4, 3, 3]), valueAt(from, [0, 3, 3]));
  assert.equal(Number.isNaN(valueAt({ lattice: COARSE, plane: () => undefined }, [3, 3, 3])), true);
});

test('a lattice of one slice is laid over where it is', () => {
  const single = new Lattice(
    [
      [0, 0, 4, 0],
      [0, 4, 0, 0],
      [4, 0, 0, 0],
      [0, 0, 0, 1],
    ],
    [1, 2, 2],
  );
  const from = { lattice: single, plane: () => [1, 2, 3, 4] };
  assert.equal(valueAt(from, [0, 1, 1]), 4);
  assert.equal(valueAt(from, [0.4, 0.5, 0.5]), 2.5);
});

test('no uptake leaves the image below as it is; more is brighter and never beyond white', () => {
  const into = new Uint8ClampedArray(4 * 4);
  paint(Float32Array.from([0, NaN, 2.5, 50]), 5, 0.8, into);
  assert.deepEqual([...into.subarray(0, 8)], [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...into.subarray(12)], [...hot(1), 204]);
  const brightness = [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) =>
    hot(share).reduce((sum, part) => sum + part),
  );
  assert.deepEqual(
    brightness,
    [...brightness].sort((a, b) => a - b),
  );
  assert.deepEqual(hot(7), hot(1));
});

test('the images as taken are the cut across the slices', () => {
  const values = resampled(source(), FINE, AS_TAKEN, 0);
  assert.ok(Math.abs(values[0]! - linear(FINE.position([0, 0, 0]))) < 1e-2);
});
