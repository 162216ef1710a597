// What the page knows, as signals. Of one patient at a time: everything that is drawn belongs to
// the study that is open, and what comes for another study is kept aside.

import { computed, signal } from '@preact/signals';
import {
  type Delivery,
  type MaskEntry,
  type Result,
  type SeriesEntry,
  type Station,
  type SeriesInfo,
  type StudyEntry,
} from './api.ts';
import type { Index, Lattice } from './geometry.ts';
import type { Caliper, Hint } from './hints.ts';
import type { Mask } from './mask.ts';
import type { View } from './view.ts';

/** A series that is shown, and its lattice where the server makes a volume of it. */
export interface Shown {
  info: SeriesInfo;
  lattice: Lattice | null;
}

export interface Open {
  study: StudyEntry;
  drawn: Shown;
  /** One view of the images as they were taken, or three cuts; none where another viewer shows them. */
  views: View[];
  /** An earlier study of the same patient beside it. */
  prior: Prior | null;
}

export interface Prior {
  study: StudyEntry;
  drawn: Shown;
  view: View;
}

export interface Said {
  says: string;
  isError: boolean;
  /** It is about no open study, and outlives the opening of one. */
  isOfNone?: boolean;
}

export const station = signal<Station | null>(null);

export const studies = signal<StudyEntry[] | null>(null);

export const results = signal<ReadonlyMap<string, Result>>(new Map());

export const deliveries = signal<readonly Delivery[]>([]);

export const progress = signal<ReadonlyMap<string, { fraction: number; says: string }>>(new Map());

export const isConnected = signal(true);

export const open = signal<Open | null>(null);

export const opening = signal<string | null>(null);

export const active = signal(0);

export const crosshair = signal<Index>([0, 0, 0]);

export const hints = signal<readonly Hint[]>([]);

/** First and last image of what is pointed at, as a reader said; null leaves it to the engine. */
export const extent = signal<[first: number, last: number] | null>(null);

export const calipers = signal<readonly Caliper[]>([]);

export const masks = signal<ReadonlyMap<string, Mask>>(new Map());

/** Masks of running commands by result, in the order they were made. */
export const glimpses = signal<ReadonlyMap<string, readonly Mask[]>>(new Map());

/** Counts up when a brush changed a mask. */
export const painted = signal(0);

export const selected = signal<string | null>(null);

export const said = signal<Said | null>(null);

/** A question, and what each of its answers does. */
export interface Asked {
  says: string[];
  choices: { says: string; act: () => void }[];
}

export const isSendOpen = signal(false);
export const isHelpOpen = signal(false);
export const isSayingsOpen = signal(false);
export const tab = signal<'findings' | 'report'>('findings');

export const question = signal<Asked | null>(null);

/** The engine that a reader chose; empty leaves it to the station. */
export const engine = signal('');

/** The view that keys act on; the prior comes after the study's own. */
export const view = computed<View | null>(
  () => open.value?.views[active.value] ?? open.value?.prior?.view ?? null,
);

export interface Finding {
  key: string;
  result: Result;
  mask: MaskEntry;
}

export const SHOWN: ReadonlySet<string> = new Set(['waiting', 'accepted', 'sent']);

export const imageSeries = (study: StudyEntry): SeriesEntry[] =>
  study.series.filter((each) => !each.made_by_us && !NO_IMAGES.has(each.modality));

/** What is looked at over other images, rather than alone. */
export const ABOVE: ReadonlySet<string> = new Set(['PT', 'NM']);

export const largest = (all: readonly SeriesEntry[]): SeriesEntry | undefined =>
  [...all].sort((a, b) => b.instances - a.instances)[0];

const NO_IMAGES: ReadonlySet<string> = new Set([
  'SEG',
  'SR',
  'PR',
  'KO',
  'RTSTRUCT',
  'DOC',
  'RWV',
  'REG',
  'RTPLAN',
  'RTDOSE',
]);

/** The findings of the open study, the oldest first; each number stays with its finding. */
export const findings = computed<Finding[]>(() => ofStudy(open.value?.study));

function ofStudy(study: StudyEntry | undefined): Finding[] {
  if (!study) return [];
  const mine = new Set(study.series.map((each) => each.series_instance_uid));
  return [...results.value.values()]
    .filter((result) => mine.has(result.series_instance_uid) && SHOWN.has(result.state))
    .sort((a, b) => a.at.localeCompare(b.at))
    .flatMap((result) =>
      result.masks.map((mask) => ({ key: `${result.id}/${mask.segment}`, result, mask })),
    );
}

const onSeries = (all: Finding[], drawn: Shown | undefined): Finding[] =>
  all.filter(({ result }) => result.series_instance_uid === drawn?.info.series_instance_uid);

/** The findings on the series that is shown. */
export const here = computed<Finding[]>(() => onSeries(findings.value, open.value?.drawn));

const dismissed = signal<string | null>(null);

/** The newest list of places to look at on the series that is shown; none is a finding. */
export const candidates = computed<Result | null>(() => {
  const series = open.value?.drawn.info.series_instance_uid;
  const found = [...results.value.values()]
    .filter((each) => each.series_instance_uid === series && each.candidates?.length)
    .sort((a, b) => b.at.localeCompare(a.at))[0];
  return found && found.id !== dismissed.value ? found : null;
});

export function dismissCandidates(): void {
  dismissed.value = candidates.value?.id ?? null;
}

/** The findings on the prior's series. */
export const earlier = computed<Finding[]>(() =>
  onSeries(ofStudy(open.value?.prior?.study), open.value?.prior?.drawn),
);

export const drawnFindings = (): Finding[] => [...here.value, ...earlier.value];

/** Return the number of a finding, from 1: colours and words name it by that. */
export const ordinal = (key: string): number =>
  findings.value.findIndex((each) => each.key === key) + 1;

export const current = computed<Finding | null>(
  () => findings.value.find(({ key }) => key === selected.value) ?? null,
);

export const running = computed<Result[]>(() => {
  const mine = new Set(open.value?.study.series.map((each) => each.series_instance_uid));
  return [...results.value.values()].filter(
    (result) => result.state === 'running' && mine.has(result.series_instance_uid),
  );
});

export function say(says: string, isError = false): void {
  said.value = { says, isError };
}

/** Do something that may fail; what went wrong is said. */
export async function attempt<Made>(work: () => Promise<Made>): Promise<Made | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return null;
    say(error instanceof Error ? error.message : String(error), true);
    return null;
  }
}

/** A command that acts on the page; keys.ts does it. */
export const pageCommand = signal<Result | null>(null);
