import './fonts.css';
import './style.css';

import { render } from 'preact';

import { listenToPerson, readAddress, someoneHere } from './access.ts';
import { OWN_VIEWS } from './acts.ts';
import './dialogue.ts';
import { listen } from './events.ts';
import { listenToKeys } from './keys.ts';
import { armAgain } from './microphone.ts';
import { loadEverything } from './orders.ts';
import { open, opening } from './station.ts';
import './performing.ts';
import { closeStudy, openStudy } from './studies.ts';
import { show } from './viewer.ts';
import { App } from './ui/App.tsx';

async function start(): Promise<void> {
  show(OWN_VIEWS);
  readAddress();
  render(<App />, document.body);
  listenToKeys();
  listenToPerson();
  await someoneHere();
  await loadEverything();
  await followAddress();
  window.addEventListener('hashchange', () => void followAddress());
  listen();
  await armAgain();
}

/** Open what the address names: after a reload, or a step back in the browser. */
async function followAddress(): Promise<void> {
  const [, study, series] = location.hash.split('/');
  const shown = open.value?.study.study_instance_uid;
  if (!study && shown) closeStudy();
  else if (study && study !== shown && !opening.value) await openStudy(study, series);
}

void start();
