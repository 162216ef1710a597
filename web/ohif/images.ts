// OHIF's viewports, as what shows the images of a command.

import type { Result, StudyEntry } from '../src/api.ts';
import type { Index } from '../src/geometry.ts';
import { hints, masks, current, open, painted, say } from '../src/station.ts';
import type { Viewer } from '../src/viewer.ts';
import { HOUNSFIELD, preset } from '../src/windows.ts';
import { viewportsOf, whyNotSeen } from './drawing.ts';
import { following } from './following.ts';
import { run, services } from './host.ts';

const LOOK_MS = 100;
const SHOWN_MS = 15_000;

export const OHIFS: Viewer = {
  hasKeys: false,
  whyNotSeen,
  goto,
  openSeries,
  perform,
};

/** Bring every viewport of the series to an index. */
async function goto(index: Index): Promise<void> {
  const now = following.value;
  if (!now || 'refusal' in now.place) return;
  const at = now.place.slices.indexOf(index[0]);
  for (const id of viewportsOf(now)) {
    const viewport = services().cornerstoneViewportService.getCornerstoneViewport(id);
    if (!viewport) continue;
    if (viewport.type === 'stack') {
      const wanted = now.displaySet.imageIds![at];
      const place = viewport.getImageIds?.().indexOf(wanted ?? '') ?? -1;
      if (place >= 0) await viewport.setImageIdIndex?.(place);
    } else {
      const position = open.value?.drawn.lattice?.position(index);
      if (position) viewport.jumpToWorld?.(position);
    }
    viewport.render();
  }
}

/** Show a series of the open study in the active viewport, and wait until it is followed. */
async function openSeries(study: StudyEntry, series: string): Promise<void> {
  const { viewportGridService, displaySetService } = services();
  const set = displaySetService
    .getActiveDisplaySets()
    .find(
      (each) =>
        each.SeriesInstanceUID === series &&
        each.StudyInstanceUID === study.study_instance_uid &&
        each.imageIds?.length,
    );
  const { activeViewportId } = viewportGridService.getState();
  if (!set || !activeViewportId) return say('OHIF does not show that series.', true);
  viewportGridService.setDisplaySetsForViewport({
    viewportId: activeViewportId,
    displaySetInstanceUIDs: [set.displaySetInstanceUID],
  });
  const until = performance.now() + SHOWN_MS;
  while (open.value?.drawn.info.series_instance_uid !== series && performance.now() < until) {
    await new Promise((after) => setTimeout(after, LOOK_MS));
  }
}

async function perform(result: Result): Promise<void> {
  const { action, ...more } = result.command;
  switch (action) {
    case 'window':
      return setWindow(String(more['preset']));
    case 'undo':
      return step('undo');
    case 'redo':
      return step('redo');
    case 'dictate':
    case 'draft_report':
    case 'read_back':
    case 'open_prior':
      return say('That is done on the station’s own page, or with OHIF’s own buttons.');
    default:
      say(result.warnings?.join(' · ') || 'Understood, but this panel has nothing to do for it.');
  }
}

function setWindow(name: string): void {
  const chosen = preset(name);
  if (!chosen || open.value?.drawn.info.unit !== HOUNSFIELD) {
    return say('Window presets are for CT in Hounsfield units: use OHIF’s own window here.');
  }
  const now = following.value;
  for (const viewportId of viewportsOf(now)) {
    run('setViewportWindowLevel', {
      viewportId,
      windowCenter: chosen.centre,
      windowWidth: chosen.width,
      displaySetInstanceUID: now!.displaySet.displaySetInstanceUID,
    });
  }
}

/** Take the last change of an outline back, or the last mark; or do it again. */
function step(way: 'undo' | 'redo'): void {
  const mask = current.value && masks.value.get(current.value.key);
  const says = way === 'undo' ? mask?.undo() : mask?.redo();
  if (says) {
    painted.value++;
    return say(`${way === 'undo' ? 'Undone' : 'Done again'}: ${says}.`);
  }
  if (way === 'undo' && hints.value.length) {
    hints.value = hints.value.slice(0, -1);
    return say('Undone: the last mark.');
  }
  say(`There is nothing to ${way === 'undo' ? 'undo' : 'do again'}.`);
}
