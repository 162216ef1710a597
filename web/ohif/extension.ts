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
import { forgetPrompts, listenToTools } from './prompts.ts';

type Given = Parameters<typeof enter>[0];

const ANY_ELEMENT = '@ohif/extension-default.panelModule.seriesList';

interface AppConfig {
  dataSources: { configuration?: { wadoRoot?: string } }[];
}

interface ModuleEntry {
  component?: (props: object) => { $$typeof: symbol };
}

/** Return the mark that OHIF's version of React puts on its elements. */
function markOf({ extensionManager }: Given): symbol {
  const entry = extensionManager.getModuleEntry(ANY_ELEMENT) as ModuleEntry | undefined;
  return entry?.component?.({}).$$typeof ?? Symbol.for('react.element');
}

let begun: Promise<void> | null = null;
let isEntered = false;

/** Begin once: wait until somebody is logged in, then say and draw what the station knows. */
function begin(): Promise<void> {
  begun ??= (async () => {
    await someoneHere();
    draw();
    void loadEverything().then(() => {
      listen();
      return armAgain();
    });
  })();
  return begun;
}

/** Tell whether OHIF's images come from the station: its own requests know no login then. */
const areOurs = ({ dataSources }: AppConfig): boolean =>
  dataSources.some(({ configuration }) => configuration?.wadoRoot === '/dicom-web');

async function preRegistration(given: Given & { appConfig: AppConfig }): Promise<void> {
  enter(given);
  show(OHIFS);
  drawOver(Sheets);
  listenToPerson();
  if (areOurs(given.appConfig)) await begin();
}

export default {
  id: 'radcopilot',
  preRegistration,
  onModeExit(): void {
    isEntered = false;
    leave();
    forgetDrawn();
    forgetPrompts();
  },
  /** Our mode says when it is entered: OHIF's other modes stay as they are. */
  getCommandsModule: (): object => ({
    defaultContext: 'DEFAULT',
    definitions: {
      enterCopilot: (): void => {
        isEntered = true;
        void begin().then(() => {
          if (!isEntered) return;
          listenToTools();
          follow();
        });
      },
    },
  }),
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
