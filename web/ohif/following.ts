// Which study and series is open: that of OHIF's active viewport. A command is about it, and nothing
// of another is drawn.

import { batch, signal } from '@preact/signals';

import { type SeriesInfo, type StudyEntry, get } from '../src/api.ts';
import { Lattice } from '../src/geometry.ts';
import { fetchMasks, loadStudies } from '../src/looking.ts';
import {
  attempt,
  crosshair,
  extent,
  masks,
  open,
  question,
  said,
  selected,
  studies,
} from '../src/station.ts';
import { type DisplaySet, imagesIn, libraries, services } from './host.ts';
import { type Image, type Placed, placed } from './placing.ts';

/** The images that are shown, each with the slice it is. */
export interface Following {
  displaySet: DisplaySet;
  place: Placed;
}

export const following = signal<Following | null>(null);
/** Why there is nothing to command; empty where there is. */
export const notice = signal('');
/** Which slice the active viewport shows, in the station's order: OHIF counts in its own. */
export const slice = signal<number | null>(null);
/** Counts up when viewports show something else than before. */
export const turned = signal(0);

const NOTHING = 'Show a series in the viewport: commands are about the one that is active.';
const WATCH_MS = 250;
const ELSEWHERE =
  'This study is not stored at the station: send it there first, then commands can be given.';

let wanted = '';
let studyBefore: string | null = null;
let subscriptions: { unsubscribe: () => void }[] = [];
let watching: ReturnType<typeof setInterval> | undefined;

/** Follow the active viewport for as long as OHIF's mode is open. */
export function follow(): void {
  const { viewportGridService, displaySetService } = services();
  const grid = viewportGridService.EVENTS;
  const looks = [grid.ACTIVE_VIEWPORT_ID_CHANGED, grid.GRID_STATE_CHANGED, grid.VIEWPORTS_READY];
  subscriptions = [
    ...looks.map((event) => viewportGridService.subscribe(event, look)),
    displaySetService.subscribe(displaySetService.EVENTS.DISPLAY_SETS_ADDED, look),
  ];
  watching = setInterval(watch, WATCH_MS);
  look();
}

/** Nothing is open any more: what comes now is kept aside. */
export function leave(): void {
  for (const each of subscriptions) each.unsubscribe();
  subscriptions = [];
  clearInterval(watching);
  close('');
}

function watch(): void {
  const { activeViewportId } = services().viewportGridService.getState();
  const viewport = services().cornerstoneViewportService.getCornerstoneViewport(
    activeViewportId ?? '',
  );
  const now = following.value;
  const image = viewport?.getCurrentImageId?.();
  const at = image && now ? now.displaySet.imageIds!.indexOf(image) : -1;
  slice.value = now && at >= 0 && 'slices' in now.place ? now.place.slices[at]! : null;
}

function look(): void {
  turned.value++;
  const { activeViewportId } = services().viewportGridService.getState();
  const [shown] = activeViewportId ? imagesIn(activeViewportId) : [];
  if (!shown) return close(NOTHING);
  if (shown.displaySetInstanceUID === wanted) return;
  wanted = shown.displaySetInstanceUID;
  void attempt(() => take(shown));
}

function close(says: string): void {
  wanted = '';
  batch(() => {
    following.value = null;
    notice.value = says;
    forget(null);
    open.value = null;
  });
}

/** Nothing of what was asked about other images stays; what is selected stays within its study. */
function forget(study: string | null): void {
  extent.value = null;
  masks.value = new Map();
  question.value = null;
  if (!said.value?.isOfNone) said.value = null;
  if (study !== studyBefore) selected.value = null;
  studyBefore = study;
}

async function take(displaySet: DisplaySet): Promise<void> {
  const isStill = (): boolean => wanted === displaySet.displaySetInstanceUID;
  const isOther = open.value?.drawn.info.series_instance_uid !== displaySet.SeriesInstanceUID;
  if (isOther) {
    batch(() => {
      following.value = null;
      open.value = null;
    });
  }
  const known = (): StudyEntry | undefined =>
    studies.value?.find((each) => each.study_instance_uid === displaySet.StudyInstanceUID);
  if (!known()) await loadStudies();
  const study = known();
  if (!isStill()) return;
  if (!study) {
    close(ELSEWHERE);
    wanted = displaySet.displaySetInstanceUID;
    return;
  }
  const info = await get<SeriesInfo>(`/api/series/${displaySet.SeriesInstanceUID}`);
  if (!isStill()) return;
  if (info.study_instance_uid !== displaySet.StudyInstanceUID) return close(ELSEWHERE);
  const { rows, columns } = info.slices[0]!;
  const lattice = info.affine
    ? new Lattice(info.affine, [info.slices.length, rows, columns])
    : null;
  const place = placed(info, displaySet.imageIds!.map(imageOf));
  batch(() => {
    if (isOther) forget(displaySet.StudyInstanceUID);
    notice.value = 'refusal' in place ? place.refusal : '';
    crosshair.value = [Math.floor(info.slices.length / 2), rows >> 1, columns >> 1];
    open.value = { study, drawn: { info, lattice }, views: [], prior: null };
    following.value = { displaySet, place };
  });
  await fetchMasks();
}

/** Return where an image stands, as OHIF draws it. */
function imageOf(id: string): Image {
  const plane = libraries().cornerstone.metaData.get('imagePlaneModule', id) ?? {};
  const vector = (name: string): Image['origin'] => {
    const value = plane[name] as ArrayLike<number> | undefined;
    return value?.length === 3 ? [value[0]!, value[1]!, value[2]!] : null;
  };
  return {
    id,
    rows: Number(plane['rows']),
    columns: Number(plane['columns']),
    origin: vector('imagePositionPatient'),
    row: vector('rowCosines'),
    column: vector('columnCosines'),
  };
}
