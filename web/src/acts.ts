// What keys, buttons and commands do alike on our own views: windows, slices, cuts, cine.

import { batch, signal } from '@preact/signals';

import type { Result } from './api.ts';
import { dictate } from './dictation.ts';
import { type Index, dot, length } from './geometry.ts';
import { hidesAll } from './looks.ts';
import { aloud } from './readback.ts';
import { asText, loadReport, report } from './report.ts';
import { active, attempt, crosshair, open, said, say, tab, view } from './station.ts';
import { openSeries, showBeside, togglePrior } from './studies.ts';
import { redo, undo } from './tools.ts';
import { View, asTaken } from './view.ts';
import type { Viewer } from './viewer.ts';
import { unitWords } from './words.ts';
import { HOUNSFIELD, PRESETS, preset } from './windows.ts';

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
  return unitWords(open.value?.drawn.info.unit ?? '1');
}

/** Show the three cuts of a regular series, or the images as they were taken. */
export async function toggleCuts(): Promise<void> {
  const now = open.value;
  const first = now?.views[0];
  if (!now || !first) return;
  const { drawn } = first;
  if (now.views.length > 1) {
    const single = asTaken(drawn, first.slice.value);
    single.window.value = first.window.value;
    batch(() => {
      active.value = 0;
      open.value = { ...now, views: [single] };
    });
    return;
  }
  const reason = whyNoCuts();
  if (reason) return say(reason, true);
  say('Reading all images for the three cuts…');
  await drawn.pixels.all(first.slice.value);
  if (open.value?.drawn !== drawn) return;
  if (!drawn.pixels.isWhole)
    return say('Not every image could be read: the cuts would be wrong.', true);
  const at = crosshair.value;
  const views = ([0, 1, 2] as const).map(
    (axis) => new View(drawn, drawn.lattice!.cut(axis), Math.round(at[axis]), first.window.value),
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

async function readReport(section: string | null): Promise<void> {
  await loadReport();
  const words = report.value ? asText(report.value, section) : '';
  if (!words) return say('The report says nothing there yet.');
  if (!aloud(words))
    say('This browser has no English voice of this machine: read it yourself.', true);
}

/** Our own views, as what shows the images. */
export const OWN_VIEWS: Viewer = {
  hasKeys: true,
  openSeries,
  whyNotSeen: () => null,
  async goto(index: Index): Promise<void> {
    await Promise.all(open.value?.views.map((each) => each.goto(index[each.cut.axis])) ?? []);
  },
  showBeside,
  async gotoBeside(position): Promise<void> {
    const view = open.value?.prior?.view;
    const index = view?.drawn.lattice?.index(position);
    if (view && index) await view.goto(index[view.cut.axis]);
  },
  async perform(result: Result): Promise<void> {
    const { action, ...more } = result.command;
    switch (action) {
      case 'window': {
        const chosen = preset(String(more['preset']));
        if (!chosen) return ownWindow();
        return windowTo(PRESETS.indexOf(chosen) + 1);
      }
      case 'dictate': {
        tab.value = 'report';
        await dictate(String(more['text'] ?? ''), null, (more['section'] as string) ?? null);
        return;
      }
      case 'undo':
        return undo();
      case 'redo':
        return redo();
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
  },
};
