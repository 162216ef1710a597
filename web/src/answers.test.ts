import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered } from './answers.ts';

const SIDES = ['the left kidney', 'the right kidney'];

test('a side, a number, an ordinal and the whole words choose', () => {
  for (const said of [
    'Left.',
    'the left one',
    'The left kidney',
    'first',
    'the first one',
    'number one',
    '1',
  ]) {
    assert.equal(answered(said, SIDES), 0, said);
  }
  for (const said of [
    'right',
    'the right side',
    'Second.',
    'the second one',
    'number two',
    '2nd',
  ]) {
    assert.equal(answered(said, SIDES), 1, said);
  }
});

test('yes chooses where there is one thing to say yes to, and nothing else', () => {
  assert.equal(answered('Yes.', ['delete the second nodule', 'cancel']), 0);
  assert.equal(answered('yes that one', ['delete the second nodule']), 0);
  assert.equal(answered('yes', SIDES), null);
});

test('no, cancel and neither decline', () => {
  for (const said of ['No.', 'cancel', 'Neither', 'leave it', 'never mind']) {
    assert.equal(answered(said, SIDES), 'none', said);
  }
});

test('what fits several, or none, chooses none', () => {
  for (const said of [
    'kidney',
    'the third',
    'that one',
    'left or right',
    'segment the liver',
    '',
  ]) {
    assert.equal(answered(said, SIDES), null, said);
  }
});

test('a number in the choices is chosen by its words before it counts', () => {
  assert.equal(answered('finding 3', ['measure finding 3', 'measure finding 1']), 0);
  assert.equal(answered('one', ['measure finding 3', 'measure finding 1']), 1);
  assert.equal(answered('the first', ['measure finding 3', 'measure finding 1']), null);
  assert.equal(answered('the second', ['measure finding 1', 'measure finding 2']), 1);
  assert.equal(answered('two', ['measure finding 3', 'measure finding 1']), null);
});
