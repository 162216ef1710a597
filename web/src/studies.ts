// Studies opened and closed on our own views: their series, and the earlier study beside them.

import { batch, computed } from '@preact/signals';
import { type SeriesInfo, type StudyEntry, get, post } from './api.ts';
import { Lattice } from './geometry.ts';
import { forgetDictation } from './dictation.ts';
import { fetchMasks } from './looking.ts';
import { Pixels } from './pixels.ts';
import { type Drawn, forget } from './render.ts';
import { asTaken, type View } from './view.ts';
import {
  ABOVE,
  type Open,
  type Prior,
  active,
  attempt,
  calipers,
  crosshair,
  extent,
  glimpses,
  hints,
  imageSeries,
  largest,
  masks,
  open,
  opening,
  question,
  said,
  say,
  selected,
  studies,
} from './station.ts';

/** Open a study at its series with the most images that stand alone, or at the one named. */
export async function openStudy(uid: string, series?: string): Promise<void> {
  const study = studies.value?.find((each) => each.study_instance_uid === uid);
  if (!study) return say('this study is not stored here any more', true);
  const shown = imageSeries(study);
  const wanted =
    shown.find((each) => each.series_instance_uid === series) ??
    largest(shown.filter((each) => !ABOVE.has(each.modality))) ??
    largest(shown);
  if (!wanted) return say('the study holds no images', true);
  await openSeries(study, wanted.series_instance_uid);
}

export async function openSeries(study: StudyEntry, series: string): Promise<void> {
  opening.value = series;
  await attempt(async () => {
    const first = await laidOut(series);
    const { drawn } = first;
    const { rows, columns } = drawn.info.slices[0]!;
    if (opening.value !== series) return drawn.pixels.close();
    const sameStudy = open.value?.study.study_instance_uid === study.study_instance_uid;
    const prior = sameStudy ? (open.value?.prior ?? null) : null;
    closeImages(prior);
    batch(() => {
      open.value = { study, drawn, views: [first], prior };
      crosshair.value = [first.slice.value, Math.floor(rows / 2), Math.floor(columns / 2)];
      if (!sameStudy) selected.value = null;
    });
    location.hash = `#/${study.study_instance_uid}/${series}`;
    void drawn.pixels.all(first.slice.value).then(() => getReady(series));
    void fetchMasks();
  });
  if (opening.value === series) opening.value = null;
}

/** Have the server ready for a command on a series that is on the screen. */
async function getReady(series: string): Promise<void> {
  if (open.value?.drawn.info.series_instance_uid !== series) return;
  // whether it could is said by the command itself
  await post(`/api/series/${series}/ready`).catch(() => undefined);
}

/** Read a series, and its middle slice. */
export async function laidOut(series: string): Promise<View> {
  const info = await get<SeriesInfo>(`/api/series/${series}`);
  const { rows, columns } = info.slices[0]!;
  const lattice = info.affine
    ? new Lattice(info.affine, [info.slices.length, rows, columns])
    : null;
  const drawn: Drawn = { info, pixels: new Pixels(info), lattice };
  const made = asTaken(drawn, info.is_time ? 0 : Math.floor(info.slices.length / 2));
  await drawn.pixels.picture(made.slice.value);
  await made.ownWindow();
  return made;
}

/** As `radcopilot fetch` has it: ID, issuer and birth date must be the same; and the name. */
function isSamePatient(one: StudyEntry, other: StudyEntry): boolean {
  const keys = ['patient_id', 'issuer', 'birth_date', 'patient_name'] as const;
  return keys.every((key) => one[key] === other[key]);
}

/** The earlier studies of the open study's patient, the newest first. */
export const priors = computed<StudyEntry[]>(() => {
  const now = open.value?.study;
  if (!now?.patient_id) return [];
  return (studies.value ?? []).filter(
    (each) =>
      isSamePatient(each, now) && each.study_date < now.study_date && imageSeries(each).length > 0,
  );
});

/** Show an earlier study beside the open one, or take it away. */
export async function togglePrior(study?: StudyEntry): Promise<void> {
  const now = open.value;
  if (!now) return;
  const before = now.prior;
  const chosen = study ?? (before ? undefined : priors.value[0]);
  if (before) closeDrawn(before.view.drawn);
  const isShown = before?.study.study_instance_uid === chosen?.study_instance_uid;
  if (!chosen || isShown) {
    if (!before) say('No earlier study of this patient is stored here.');
    open.value = { ...now, prior: null };
    active.value = 0;
    return;
  }
  const modality = now.drawn.info.modality;
  const shown = imageSeries(chosen).sort(
    (a, b) =>
      Number(b.modality === modality) - Number(a.modality === modality) ||
      b.instances - a.instances,
  );
  await layBeside(now, chosen, shown[0]!.series_instance_uid);
}

/** Show a series of an earlier study beside the open one; it stays where it is shown already. */
export async function showBeside(series: string): Promise<void> {
  const now = open.value;
  const before = now?.prior;
  if (!now || before?.drawn.info.series_instance_uid === series) return;
  const has = (each: StudyEntry): boolean =>
    each.series.some((one) => one.series_instance_uid === series);
  const study = studies.value?.find(has);
  if (!study || has(now.study)) return;
  if (before) closeDrawn(before.view.drawn);
  await layBeside(now, study, series);
}

async function layBeside(now: Open, chosen: StudyEntry, series: string): Promise<void> {
  await attempt(async () => {
    const made = await laidOut(series);
    if (open.value?.study.study_instance_uid !== now.study.study_instance_uid) {
      return made.drawn.pixels.close();
    }
    if (made.drawn.info.unit === now.drawn.info.unit) made.setWindow(...now.views[0]!.window.value);
    open.value = { ...open.value, prior: { study: chosen, drawn: made.drawn, view: made } };
    void made.drawn.pixels.all(made.slice.value);
    void fetchMasks();
  });
}

function closeDrawn(drawn: Drawn): void {
  drawn.pixels.close();
  forget(drawn);
}

function closeImages(kept: Prior | null = null): void {
  const before = open.value;
  batch(() => {
    active.value = 0;
    hints.value = [];
    extent.value = null;
    calipers.value = [];
    masks.value = new Map();
    glimpses.value = new Map();
    question.value = null;
    said.value = null;
  });
  forgetDictation();
  if (!before) return;
  closeDrawn(before.views[0]!.drawn);
  if (before.prior && before.prior !== kept) closeDrawn(before.prior.view.drawn);
}

/** Go back to the list; nothing of the study stays on the page. */
export function closeStudy(): void {
  closeImages();
  opening.value = null;
  open.value = null;
  selected.value = null;
  location.hash = '';
}
