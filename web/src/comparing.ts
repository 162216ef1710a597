// What became of each lesion since the prior: which comparison is shown, and both studies brought to
// one place.

import { computed, effect, signal } from '@preact/signals';

import type {
  AnswerEntry,
  ChangeEntry,
  ComparisonEntry,
  LesionEntry,
  PairEntry,
  Result,
} from './api.ts';
import type { Vector } from './geometry.ts';
import { gotoIndex, select } from './looking.ts';
import { Mask } from './mask.ts';
import {
  SHOWN,
  attempt,
  findings,
  open,
  question,
  results,
  say,
  selected,
  tab,
} from './station.ts';
import { viewer } from './viewer.ts';

const KEPT: ReadonlySet<string> = new Set([...SHOWN, 'answered']);
const dismissed = signal<string | null>(null);
let brought = '';

/** The newest comparison of the series that is shown. */
export const comparison = computed<Result | null>(() => {
  const series = open.value?.drawn.info.series_instance_uid;
  const found = [...results.value.values()]
    .filter(
      (each) =>
        each.series_instance_uid === series &&
        each.comparison !== undefined &&
        KEPT.has(each.state),
    )
    .sort((a, b) => b.at.localeCompare(a.at))[0];
  return found && found.id !== dismissed.value ? found : null;
});

export interface PriorMask {
  mask: Mask;
  tracking_uid: string;
}

/** What the shown comparison outlined on the prior that stands beside. */
export const onPrior = signal<readonly PriorMask[]>([]);

effect(() => {
  const result = comparison.value;
  const beside = open.value?.prior?.drawn.info.series_instance_uid;
  const isBeside = result?.prior !== undefined && result.prior.series_instance_uid === beside;
  const wanted = isBeside && !isOutOfDate(result) ? (result.prior_masks ?? []) : [];
  const key = wanted.length ? result!.id : '';
  if (key === brought) return;
  brought = key;
  onPrior.value = [];
  if (key) void bring(key, wanted);
});

async function bring(id: string, wanted: { segment: number; tracking_uid: string }[]) {
  await attempt(async () => {
    const found = await Promise.all(
      wanted.map(async ({ segment, tracking_uid }) => ({
        mask: await Mask.fetchedOfPrior(id, segment),
        tracking_uid,
      })),
    );
    if (brought === id) onPrior.value = found;
  });
}

/** The finding that was gone to from here: its lesion's card is looked at, not its own. */
let followed: string | null = null;

effect(() => {
  if (selected.value !== followed) followed = null;
});

export const isFollowed = (key: string): boolean => key === followed;

export function dismissComparison(): void {
  dismissed.value = comparison.value?.id ?? null;
}

/** Tell whether an outline that was compared is not there any more: its numbers are then no one's. */
export function isOutOfDate({ compared }: Result): boolean {
  return (compared ?? []).some(({ result }) => {
    const now = results.value.get(result);
    return now !== undefined && !SHOWN.has(now.state);
  });
}

/** Return the key of the finding that a lesion is on the page; null where it is none. */
export const keyOf = (lesion: LesionEntry | null): string | null =>
  lesion?.tracking_uid ? keyOfUid(lesion.tracking_uid) : null;

export const keyOfUid = (uid: string): string | null =>
  findings.value.find(({ mask }) => mask.tracking_uid === uid)?.key ?? null;

/** Show a comparison that has come, its prior beside, and ask what it leaves open. */
export async function showComparison(result: Result): Promise<void> {
  const { comparison: made, prior } = result;
  if (!made) return;
  if (dismissed.value === result.id) dismissed.value = null;
  tab.value = 'findings';
  if (prior) await viewer().showBeside?.(prior.series_instance_uid);
  if (comparison.value?.id !== result.id) return; // other images have been opened meanwhile
  if (made.refusal) return say(made.refusal, true);
  const first = made.lesions[0];
  if (first) await goToLesion(result, first);
  const open_ = made.lesions.filter((each) => each.question);
  if (open_.length) {
    question.value = {
      says: open_.map((each) => capital(each.question!)),
      choices: open_.map((each) => ({
        says: `show ${labelOf(each)}`,
        act: () => void goToLesion(result, each),
      })),
    };
    return;
  }
  say(
    result.masks.length
      ? 'Compared: look at the new outlines, then accept or reject.'
      : 'Compared.',
  );
}

const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);

/** How a change's lesion is called; one that the prior alone has says so: both studies count from 1. */
export function labelOf({ current, prior }: ChangeEntry): string {
  if (current) return current.label;
  if (!prior) return 'the lesion';
  return /^prior /i.test(prior.label) ? prior.label : `${prior.label} of the prior`;
}

/** Return why the questions of a comparison cannot be answered on the page; null where they can. */
export function whyNotAnswered(result: Result): string | null {
  if (!Object.keys(result.hints ?? {}).length) return null;
  return (
    'This comparison is of what was pointed at: accept its outlines, say "compare with the prior", ' +
    'and answer there.'
  );
}

/** Tell whether the series is being compared: an answer to the earlier comparison comes too late. */
export const isComparing = computed(() =>
  [...results.value.values()].some(
    ({ state, command, series_instance_uid }) =>
      state === 'running' &&
      command.action === 'compare' &&
      series_instance_uid === open.value?.drawn.info.series_instance_uid,
  ),
);

const isSame = (one: PairEntry, other: PairEntry): boolean =>
  one.current === other.current && one.prior === other.prior;

/** Return all that is told once an answer is: what was told of its lesions before makes way. */
export function withAnswer(result: Result, { pair }: AnswerEntry): PairEntry[] {
  const before = result.comparison?.told ?? [];
  const stays = before.filter(
    ({ current, prior }) =>
      !(current !== null && current === pair.current) && !(prior !== null && prior === pair.prior),
  );
  return [...stays, pair];
}

/** Return all that is told once one pair is taken back. */
export const withoutTold = (result: Result, told: PairEntry): PairEntry[] =>
  (result.comparison?.told ?? []).filter((each) => !isSame(each, told));

/** Show an answer's lesion on the prior that stands beside. */
export async function goToAnswer(result: Result, { prior }: AnswerEntry): Promise<void> {
  const beside = open.value?.prior?.drawn.info.series_instance_uid;
  if (!prior || result.prior?.series_instance_uid !== beside) return;
  await viewer().gotoBeside?.(prior.centre_lps_mm);
}

/** Bring both studies to a lesion: where one has none, to its place by the rigid alignment. */
export async function goToLesion(result: Result, change: ChangeEntry): Promise<void> {
  const made = result.comparison;
  const now = open.value;
  if (!made || !now) return;
  const { current, prior } = change;
  if (result.series_instance_uid !== now.drawn.info.series_instance_uid) return;
  if (result.prior) await viewer().showBeside?.(result.prior.series_instance_uid);
  const key = keyOf(current);
  const here = current?.centre_lps_mm ?? (prior && toCurrent(made, prior.centre_lps_mm));
  const there = prior?.centre_lps_mm ?? (current && toPrior(made, current.centre_lps_mm));
  if (key) {
    followed = key;
    selected.value = key; // at once: what came before is forgotten when another is selected
    await select(key);
  }
  if (here) await goHere(here);
  if (there) await viewer().gotoBeside?.(there);
}

async function goHere(position: Vector): Promise<void> {
  const drawn = open.value?.drawn;
  if (!drawn?.lattice) return;
  const [slice, row, column] = drawn.lattice.index(position);
  const last = drawn.info.slices.length - 1;
  await gotoIndex([Math.max(0, Math.min(last, Math.round(slice))), row, column]);
}

function toPrior({ alignment }: ComparisonEntry, at: Vector): Vector | null {
  const matrix = alignment?.current_to_prior_lps_mm;
  if (!matrix) return null;
  return [0, 1, 2].map((n) => {
    const [x, y, z, shift] = matrix[n] as [number, number, number, number];
    return x * at[0] + y * at[1] + z * at[2] + shift;
  }) as Vector;
}

/** The way back: the matrix turns and moves alone, so its inverse is its transpose. */
function toCurrent({ alignment }: ComparisonEntry, at: Vector): Vector | null {
  const matrix = alignment?.current_to_prior_lps_mm;
  if (!matrix) return null;
  const from = at.map((value, n) => value - matrix[n]![3]!);
  return [0, 1, 2].map((n) =>
    from.reduce((sum, value, row) => sum + matrix[row]![n]! * value, 0),
  ) as Vector;
}
