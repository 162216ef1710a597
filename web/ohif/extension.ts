// The extension that OHIF loads by address: a panel with the copilot, and what binds it to OHIF's
// viewports, tools and segmentations.

import { listenToPerson, someoneHere } from '../src/access.ts';
import '../src/dialogue.ts';
import { listen } from '../src/events.ts';
import { armAgain } from '../src/microphone.ts';
import { loadEverything } from '../src/orders.ts';
import '../src/performing.ts';
import { show } from '../src/viewer.ts';
import { draw, forgetDrawn } from './drawing.ts';
import { follow, leave } from './following.ts';
import { enter } from './host.ts';
import { OHIFS } from './images.ts';
import { Panel, Sheets } from './Panel.tsx';
import { drawOver, held } from './mount.ts';
import { listenToTools } from './prompts.ts';

type Given = Parameters<typeof enter>[0];

const ANY_ELEMENT = '@ohif/extension-default.panelModule.seriesList';

interface ModuleEntry {
  component?: (props: object) => { $$typeof: symbol };
}

/** Return the mark that OHIF's version of React puts on its elements. */
function markOf({ extensionManager }: Given): symbol {
  const entry = extensionManager.getModuleEntry(ANY_ELEMENT) as ModuleEntry | undefined;
  return entry?.component?.({}).$$typeof ?? Symbol.for('react.element');
}

/** Nothing of OHIF begins before somebody is logged in: its own requests know no login. */
async function preRegistration(given: Given): Promise<void> {
  enter(given);
  show(OHIFS);
  drawOver(Sheets);
  listenToPerson();
  await someoneHere();
  draw();
  void loadEverything().then(() => {
    listen();
    return armAgain();
  });
}

export default {
  id: 'radcopilot',
  preRegistration,
  onModeEnter(): void {
    listenToTools();
    follow();
  },
  onModeExit(): void {
    leave();
    forgetDrawn();
  },
  getPanelModule: (given: Given): object[] => [
    {
      name: 'copilot',
      iconName: 'tab-patient-info',
      iconLabel: 'Copilot',
      label: 'radcopilot',
      component: held(Panel, () => markOf(given)),
    },
  ],
};
