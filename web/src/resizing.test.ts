import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Index, Lattice } from './geometry.ts';
import { Mask } from './mask.ts';
import { within } from './reach.ts';

const SHAPE: Index = [5, 9, 9];
// slices 5 mm apart, rows 1 mm, columns 0.5 mm
const LATTICE = new Lattice(
  [
    [0, 0, 0.5, 0],
    [0, 1, 0, 0],
    [5, 0, 0, 0],
    [0, 0, 0, 1],
  ],
  SHAPE,
);

function block(): Mask {
  const mask = new Mask(SHAPE);
  mask.brush(2, [[4, 4]], 1.5, true);
  return mask;
}

test('a step reaches as far in millimetres on every side, and no other slice where it is nearer', () => {
  const mask = block();
  assert.equal(mask.count, 9);
  const turned = mask.reach(within(LATTICE, 1, false), true);
  assert.deepEqual([...turned.keys()], [2]);
  // three rows and columns become five rows (one more each side) and seven columns (two more)
  const had = (row: number, column: number): boolean => mask.has([2, row, column]);
  assert.ok(had(2, 4) && had(6, 4) && !had(1, 4) && !had(7, 4));
  assert.ok(had(4, 1) && had(4, 7) && !had(4, 0) && !had(4, 8));
  assert.ok(!had(2, 1), 'corners are round');
  const tall = block().reach(within(LATTICE, 5, false), true);
  assert.deepEqual([...tall.keys()].sort(), [1, 2, 3]);
});

test('smaller takes away what is within the step of the outside, and undo brings it back', () => {
  const mask = block();
  const turned = mask.reach(within(LATTICE, 0.5, false), false);
  mask.keep({ says: 'made 0.5 mm smaller', turned });
  assert.equal(mask.count, 3, 'one column of three rows is left');
  assert.ok(mask.has([2, 3, 4]) && mask.has([2, 5, 4]));
  assert.equal(mask.undo(), 'made 0.5 mm smaller');
  assert.equal(mask.count, 9);
});

test('nothing is taken away from where the images end', () => {
  const mask = new Mask([1, 3, 3]);
  mask.brush(0, [[1, 1]], 2, true);
  assert.equal(mask.count, 9);
  assert.equal(mask.reach(within(LATTICE, 1, false), false).size, 0);
});

test('frames of a cine are not reached from one another', () => {
  const offsets = within(LATTICE, 12, true);
  assert.ok(offsets.length > 0);
  assert.ok(offsets.every(([slice]) => slice === 0));
});
