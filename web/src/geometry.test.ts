import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Index, Lattice, angle, letters, roundLength } from './geometry.ts';
import { boxBetween } from './hints.ts';
import { Mask, outline } from './mask.ts';

const AXIAL = new Lattice(
  [
    [0, 0, 0.5, -100],
    [0, 0.5, 0, -120],
    [5, 0, 0, 30],
    [0, 0, 0, 1],
  ],
  [10, 40, 60],
);

test('an index becomes a position and comes back', () => {
  const index: Index = [3, 7.5, 11];
  assert.deepEqual(AXIAL.position(index), [-94.5, -116.25, 45]);
  AXIAL.index(AXIAL.position(index)).forEach((each, axis) =>
    assert.ok(Math.abs(each - index[axis]!) < 1e-9),
  );
});

test('cuts hang as radiologists hang them: head up, the right side at the left', () => {
  const coronal = AXIAL.cut(1);
  assert.equal(letters(AXIAL.plane(coronal, 0).column!), 'F');
  assert.equal(letters(AXIAL.plane(coronal, 0).row!), 'L');
  const sagittal = AXIAL.cut(2);
  assert.equal(letters(AXIAL.plane(sagittal, 0).row!), 'P');
  const turned = new Lattice(
    [
      [0, 0, -1, 0],
      [0, -1, 0, 0],
      [-2, 0, 0, 0],
      [0, 0, 0, 1],
    ],
    [4, 5, 6],
  );
  assert.equal(letters(turned.plane(turned.cut(1), 0).column!), 'F');
  assert.equal(letters(turned.plane(turned.cut(1), 0).row!), 'L');
});

test('a pixel of a cut is the index it shows, whichever way it is turned', () => {
  for (const axis of [0, 1, 2] as const) {
    const cut = AXIAL.cut(axis);
    const index = AXIAL.indexOf(cut, 4, 2, 9);
    assert.deepEqual(AXIAL.pixelOf(cut, index), [2, 9]);
    assert.equal(index[axis], 4);
  }
});

test('a box holds every pixel that the drag touched', () => {
  const box = boxBetween(3, [4.2, 10.6], [1.6, 12.4], [40, 60]);
  assert.deepEqual(box, { kind: 'box', slice: 3, rows: [2, 5], columns: [11, 13] });
  assert.equal(boxBetween(3, [-9, -9], [-8, -8], [40, 60]), null);
  assert.deepEqual(boxBetween(0, [30, 50], [99, 99], [40, 60])?.rows, [30, 40]);
});

test('a mask goes out and comes back, voxel for voxel', async () => {
  const mask = new Mask([3, 5, 11]);
  mask.brush(1, [[2, 3]], 1.5, true);
  mask.brush(2, [[4, 10]], 0, true);
  const back = await Mask.read((await mask.packed()).buffer);
  assert.equal(back.count, mask.count);
  for (let s = 0; s < 3; s++)
    for (let r = 0; r < 5; r++)
      for (let c = 0; c < 11; c++) {
        assert.equal(back.has([s, r, c]), mask.has([s, r, c]));
      }
});

test('strokes are undone and done again, and say what they are', () => {
  const mask = new Mask([1, 9, 9]);
  const turned = mask.brush(0, [[4, 4]], 2, true);
  mask.keep({ says: 'brush stroke on image 1', turned: new Map([[0, turned]]) });
  const painted = mask.count;
  assert.equal(mask.undo(), 'brush stroke on image 1');
  assert.equal(mask.count, 0);
  assert.equal(mask.redo(), 'brush stroke on image 1');
  assert.equal(mask.count, painted);
  assert.equal(mask.redo(), null);
});

test('an outline runs along the edges of pixels', () => {
  const ends = outline(new Uint8Array([0, 0, 0, 1]), 2, 2);
  assert.equal(ends.length / 4, 4);
  assert.deepEqual(
    [...ends].filter((_, n) => n % 2 === 0).sort(),
    [0.5, 0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 1.5].sort(),
  );
});

test('letters, lengths and angles', () => {
  assert.equal(letters([1, 0, 0]), 'L');
  assert.equal(letters([0.8, -0.6, 0]), 'LA');
  assert.equal(roundLength(73), 50);
  assert.equal(roundLength(0.4), 0.2);
  assert.equal(Math.round(angle([1, 0, 0], [0, 0, 0], [0, 2, 0])), 90);
});
