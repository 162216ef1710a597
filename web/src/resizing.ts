// An outline made larger or smaller all round by a stated step, as a correction that can be undone:
// the server measures it when the reader keeps it.

import { length } from './geometry.ts';
import { within } from './reach.ts';
import { type Finding, masks, open, painted, say } from './station.ts';

const USUAL_MM = 1;

export function resize(finding: Finding, larger: boolean, step_mm: number | null): void {
  const mask = masks.value.get(finding.key);
  const { lattice, info } = open.value!.drawn;
  if (!mask) return say('The outline is not on the screen: select the finding first.', true);
  if (!lattice || !info.slices[0]!.spacing_mm) {
    return say('The spacing of these pixels is not known: correct the outline by brush (W).', true);
  }
  const pixel = Math.min(length(lattice.step(1)), length(lattice.step(2)));
  const mm = step_mm ?? Math.max(USUAL_MM, pixel);
  const shown = `${Number(mm.toFixed(2))} mm`;
  const offsets = within(lattice, mm, info.is_time);
  if (!offsets.length) {
    return say(
      `A pixel is ${pixel.toFixed(2)} mm: ${shown} changes nothing. Say a larger step.`,
      true,
    );
  }
  const turned = mask.reach(offsets, larger);
  const says = `made ${shown} ${larger ? 'larger' : 'smaller'}`;
  mask.keep({ says, turned });
  if (!mask.count) {
    mask.undo();
    return say(`It is not ${shown} thick: nothing would be left of it.`, true);
  }
  painted.value++;
  say(`${says[0]!.toUpperCase()}${says.slice(1)}: measure anew (C, or “measure it”), or undo.`);
}
