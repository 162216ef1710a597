// What keys, buttons and commands do alike: windows, slices, findings, cuts, cine.

import { batch, signal } from '@preact/signals';

import type { Result } from './api.ts';
import { dot, length } from './geometry.ts';
import { hidesAll } from './looks.ts';
import {
  type Finding,
  active,
  attempt,
  crosshair,
  current,
  findings,
  isSendOpen,
  masks,
  open,
  pageCommand,
  question,
  running,
  said,
  say,
  view,
} from './station.ts';
import { gotoIndex, select, togglePrior } from './studies.ts';
import { dictate } from './dictation.ts';
import { aloud } from './readback.ts';
import { asText, loadReport, report } from './report.ts';
import { resize } from './resizing.ts';
import { decide, keepCorrection, stop } from './orders.ts';
import { redo, undo } from './tools.ts';
import { mainMeasures, otherMeasures, label, quantity, title } from './words.ts';
import { HOUNSFIELD, View, asTaken } from './view.ts';
import { PRESETS, preset } from './windows.ts';

export const isHelpOpen = signal(false);
export const isSayingsOpen = signal(false);
export const tab = signal<'findings' | 'report'>('findings');
export const playing = signal(false);

const FAR = 100;
const MOST_BYTES = 1.5e9;

export async function step(by: number): Promise<void> {
  const on = view.value;
  if (!on) return;
  const before = on.slice.value;
  await on.goto(before + by);
  follow(on);
  const prior = open.value?.prior?.view;
  if (prior && on !== prior && on.cut.axis === 0 && Math.abs(by) <= FAR) {
    await prior.goto(prior.slice.value + along(on, prior, on.slice.value - before));
  }
}

/** Return by how many slices the prior goes along, so that both go as far in the patient. */
function along(on: View, prior: View, by: number): number {
  const steps = [on, prior].map(({ drawn }) => (drawn.lattice ? drawn.lattice.step(0) : null));
  const [mine, theirs] = steps;
  if (!mine || !theirs) return by;
  const way = dot(mine, theirs) < 0 ? -1 : 1;
  return way * Math.round((by * length(mine)) / length(theirs));
}

/** Keep the crosshair on what is looked at, so that the other cuts follow. */
export function follow(on: View): void {
  if (on.drawn !== open.value?.drawn) return;
  const index: [number, number, number] = [...crosshair.value];
  if (index[on.cut.axis] === on.slice.value) return;
  index[on.cut.axis] = on.slice.value;
  crosshair.value = index;
}

export function windowTo(number: number): void {
  const chosen = PRESETS[number - 1];
  const now = open.value;
  if (!chosen || !now) return;
  if (now.drawn.info.unit !== HOUNSFIELD) {
    return say(
      `Window presets are for CT in Hounsfield units; these values are ${unit()}. Key 0: the images' own window.`,
    );
  }
  for (const each of shownViews()) each.setWindow(chosen.centre, chosen.width);
}

export function ownWindow(): void {
  for (const each of shownViews()) void attempt(() => each.ownWindow());
}

/** Every view on the screen, the prior's last. */
export function shownViews(): View[] {
  const now = open.value;
  return now ? [...now.views, ...(now.prior ? [now.prior.view] : [])] : [];
}

export function unit(): string {
  const code = open.value?.drawn.info.unit ?? '1';
  const words: Record<string, string> = {
    "[hnsf'U]": 'HU',
    '1': '',
    '{SUVbw}g/ml': 'SUV',
    'g/ml{SUVbw}': 'SUV',
  };
  return words[code] ?? code;
}

/** Show the three cuts of a regular series, or the images as they were taken. */
export async function toggleCuts(): Promise<void> {
  const now = open.value;
  if (!now) return;
  const { drawn } = now;
  if (now.views.length > 1) {
    const [first] = now.views;
    const single = asTaken(drawn, first!.slice.value);
    single.window.value = first!.window.value;
    batch(() => {
      active.value = 0;
      open.value = { ...now, views: [single] };
    });
    return;
  }
  const reason = whyNoCuts();
  if (reason) return say(reason, true);
  say('Reading all images for the three cuts…');
  await drawn.pixels.all(now.views[0]!.slice.value);
  if (open.value?.drawn !== drawn) return;
  if (!drawn.pixels.isWhole)
    return say('Not every image could be read: the cuts would be wrong.', true);
  const at = crosshair.value;
  const views = ([0, 1, 2] as const).map(
    (axis) =>
      new View(drawn, drawn.lattice!.cut(axis), Math.round(at[axis]), now.views[0]!.window.value),
  );
  batch(() => {
    active.value = 0;
    open.value = { ...open.value!, views };
    said.value = null;
  });
}

/** Return why a series has no cuts across its images; null where it has. */
export function whyNoCuts(): string | null {
  const drawn = open.value?.drawn;
  if (!drawn) return null;
  const { info, lattice } = drawn;
  if (!lattice) return `No cuts across these images: ${info.refusal}`;
  if (info.is_time) return 'These frames follow one another in time: there is nothing across them.';
  if (!info.slice_spacing_known || info.slices.length < 3)
    return 'There are too few images for cuts.';
  if (!info.slices[0]!.spacing_mm)
    return 'No cuts across these images: their pixel spacing is not known.';
  const [slices, rows, columns] = lattice.shape;
  if (slices * rows * columns * 4 > MOST_BYTES)
    return 'The series is too large for cuts on this page.';
  return null;
}

export async function nextFinding(by: number): Promise<void> {
  const all = findings.value;
  if (!all.length) return say('There are no findings.');
  const at = all.findIndex((each) => each.key === current.value?.key);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
  await select(all[next]!.key);
}

export async function decideCurrent(yes: boolean): Promise<void> {
  const finding = current.value;
  if (!finding) return say('Select a finding first (J and K).', true);
  await decide(finding, yes);
}

export async function keepCurrent(): Promise<void> {
  if (current.value) await keepCorrection(current.value);
}

export function toggleMasks(): void {
  hidesAll.value = !hidesAll.value;
}

let timer: ReturnType<typeof setTimeout> | undefined;
const FRAME_MS = 66;

/** Play the frames of a cine in their own time, or stop. */
export function toggleCine(): void {
  playing.value = !playing.value;
  clearTimeout(timer);
  if (playing.value) void frame();
}

async function frame(): Promise<void> {
  const on = view.value;
  if (!playing.value || !on || on.count < 2) {
    playing.value = false;
    return;
  }
  const times = on.drawn.info.frame_times_ms;
  const now = on.slice.value;
  const pause = (times[now + 1] ?? 0) - (times[now] ?? 0) || FRAME_MS;
  const began = performance.now();
  await on.goto((now + 1) % on.count);
  timer = setTimeout(() => void frame(), Math.max(8, pause - (performance.now() - began)));
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
    case 'window': {
      const chosen = preset(String(more['preset']));
      if (!chosen) return ownWindow();
      return windowTo(PRESETS.indexOf(chosen) + 1);
    }
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
      if (!finding) return say('Select a finding first (J and K).', true);
      await select(finding.key);
      return resize(finding, more['larger'] === true, (more['step_mm'] as number) ?? null);
    }
    case 'measure':
      return showMeasures(numbered(more['ordinal']));
    case 'show':
      return showFinding(more);
    case 'cancel':
      return cancelRunning();
    case 'dictate': {
      tab.value = 'report';
      await dictate(String(more['text'] ?? ''), null, (more['section'] as string) ?? null);
      return;
    }
    case 'undo':
      return undo();
    case 'redo':
      return redo();
    case 'help':
      isSayingsOpen.value = true;
      return;
    case 'send':
      isSendOpen.value = true;
      return;
    case 'open_prior':
      return togglePrior();
    case 'draft_report':
      tab.value = 'report';
      return;
    case 'read_back':
      tab.value = 'report';
      return readReport((more['section'] as string) ?? null);
    default:
      say(result.warnings?.join(' · ') || 'Understood, but this page has nothing to do for it.');
  }
}

const ordinalOf = (finding: Finding): number => findings.value.indexOf(finding) + 1;

/** Return the finding of a number, from 1; without a number the selected one. */
const numbered = (number: unknown): Finding | null =>
  number ? (findings.value[Number(number) - 1] ?? null) : current.value;

/** Say the numbers of a finding; where its outline was changed, have it measured anew. */
async function showMeasures(finding: Finding | null): Promise<void> {
  if (!finding) return say('Draw a box round it first (B), or select a finding (J and K).', true);
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

async function readReport(section: string | null): Promise<void> {
  await loadReport();
  const words = report.value ? asText(report.value, section) : '';
  if (!words) return say('The report says nothing there yet.');
  if (!aloud(words))
    say('This browser has no English voice of this machine: read it yourself.', true);
}

async function gotoSlice(slice: number): Promise<void> {
  const on = view.value;
  if (!on) return;
  if (slice < 0 || slice >= on.count) return say(`There are images 1 to ${on.count}.`, true);
  await gotoIndex([slice, crosshair.value[1], crosshair.value[2]]);
}

pageCommand.subscribe((result) => {
  if (result) void perform(result);
});
