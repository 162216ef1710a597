// What commands do, whatever shows the images: findings walked through and decided, their numbers
// said, what runs stopped. What is of the images goes to the viewer.

import type { Result } from './api.ts';
import { gotoIndex, select } from './looking.ts';
import { decide, keepCorrection, stop } from './orders.ts';
import { resize } from './resizing.ts';
import {
  type Finding,
  crosshair,
  current,
  findings,
  isSayingsOpen,
  isSendOpen,
  masks,
  open,
  pageCommand,
  question,
  running,
  say,
} from './station.ts';
import { byKey, viewer } from './viewer.ts';
import { label, mainMeasures, otherMeasures, quantity, title } from './words.ts';

export async function nextFinding(by: number): Promise<void> {
  const all = findings.value;
  if (!all.length) return say('There are no findings.');
  const at = all.findIndex((each) => each.key === current.value?.key);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
  await select(all[next]!.key);
}

const selectFirst = (): void => say(`Select a finding first${byKey('J and K')}.`, true);

export async function decideCurrent(yes: boolean): Promise<void> {
  const finding = current.value;
  if (!finding) return selectFirst();
  await decide(finding, yes);
}

export async function keepCurrent(): Promise<void> {
  if (current.value) await keepCorrection(current.value);
}

/** Do what a command asks of the page. */
export async function perform(result: Result): Promise<void> {
  const { action, ...more } = result.command;
  switch (action) {
    case 'goto':
      return gotoSlice(Number(more['slice']) - 1);
    case 'next':
      return nextFinding(1);
    case 'previous':
      return nextFinding(-1);
    case 'accept':
      return decideCurrent(true);
    case 'reject':
      return decideCurrent(false);
    case 'delete': {
      const finding = numbered(more['ordinal']);
      if (!finding) return say('There is no such finding.', true);
      await select(finding.key);
      question.value = {
        says: [`Reject finding ${ordinalOf(finding)}, ${title(finding.mask)}?`],
        choices: [
          { says: 'reject it', act: () => void decide(finding, false) },
          { says: 'leave it', act: () => undefined },
        ],
      };
      return;
    }
    case 'resize': {
      const finding = numbered(more['ordinal']);
      if (!finding) return selectFirst();
      await select(finding.key);
      return resize(finding, more['larger'] === true, (more['step_mm'] as number) ?? null);
    }
    case 'measure':
      return showMeasures(numbered(more['ordinal']));
    case 'show':
      return showFinding(more);
    case 'cancel':
      return cancelRunning();
    case 'help':
      isSayingsOpen.value = true;
      return;
    case 'send':
      isSendOpen.value = true;
      return;
    default:
      return viewer().perform(result);
  }
}

const ordinalOf = (finding: Finding): number => findings.value.indexOf(finding) + 1;

/** Return the finding of a number, from 1; without a number the selected one. */
const numbered = (number: unknown): Finding | null =>
  number ? (findings.value[Number(number) - 1] ?? null) : current.value;

/** Say the numbers of a finding; where its outline was changed, have it measured anew. */
async function showMeasures(finding: Finding | null): Promise<void> {
  if (!finding)
    return say(
      `Draw a box round it first${byKey('B')}, or select a finding${byKey('J and K')}.`,
      true,
    );
  await select(finding.key);
  if (masks.value.get(finding.key)?.isChanged) return keepCorrection(finding);
  const { result, mask } = finding;
  const main = mainMeasures(result, mask);
  const shown = main.length ? main : otherMeasures(result, mask);
  const numbers = shown.map((each) => `${label(each)} ${quantity(each)}`).join(' · ');
  say(`${title(mask)}: ${numbers || mask.not_measured.join(' · ') || 'nothing was measured'}`);
}

/** Go to the finding that a sentence names; where several fit, ask which. */
async function showFinding(more: Record<string, unknown>): Promise<void> {
  const fitting = findings.value.filter(
    ({ mask }) => mask.concept === more['concept'] && (!more['side'] || mask.side === more['side']),
  );
  if (fitting.length === 1) return select(fitting[0]!.key);
  if (!fitting.length) {
    return say(`No ${String(more['concept'])} is outlined yet: say “segment” to outline it.`);
  }
  question.value = {
    says: ['Which one?'],
    choices: fitting.map((each) => ({
      says: `finding ${ordinalOf(each)}, image ${each.mask.key_slice + 1}`,
      act: () => void select(each.key),
    })),
  };
}

async function cancelRunning(): Promise<void> {
  const now = running.value;
  if (!now.length) return say('Nothing is at work.');
  await Promise.all(now.map(({ id }) => stop(id)));
}

async function gotoSlice(slice: number): Promise<void> {
  const count = open.value?.drawn.info.slices.length ?? 0;
  if (slice < 0 || slice >= count) return say(`There are images 1 to ${count}.`, true);
  await gotoIndex([slice, crosshair.value[1], crosshair.value[2]]);
}

pageCommand.subscribe((result) => {
  if (result) void perform(result);
});
