// The one stream of events; the browser takes it up again by itself where it broke off.

import { someoneHere } from './access.ts';
import type { Delivery } from './api.ts';
import { loadReport, report } from './report.ts';
import { isConnected, open, progress } from './station.ts';
import { loadStudies } from './looking.ts';
import { loadEverything, loadResult, takeDelivery } from './orders.ts';

interface Progress {
  id: string;
  fraction: number;
  says: string;
}

const TOGETHER_MS = 300;

/** Listen for as long as the page is open. */
export function listen(): void {
  const source = new EventSource('/api/events');
  const on = <Facts>(kind: string, act: (facts: Facts) => void): void =>
    source.addEventListener(kind, (event) =>
      act(JSON.parse((event as MessageEvent<string>).data) as Facts),
    );
  let later: ReturnType<typeof setTimeout> | undefined;
  source.onopen = () => {
    isConnected.value = true;
  };
  source.onerror = () => {
    isConnected.value = false;
    // refused, not away: the session may be over
    if (source.readyState === EventSource.CLOSED)
      setTimeout(() => void someoneHere().then(listen), TOGETHER_MS);
  };
  on('begin', () => void loadEverything());
  on<{ id: string }>('result', ({ id }) => {
    void loadResult(id).then(() => {
      if (report.value) return loadReport();
    });
  });
  on<Delivery>('delivery', takeDelivery);
  on<{ study: string }>('report', ({ study }) => {
    if (study === open.value?.study.study_instance_uid) void loadReport();
  });
  on('study', () => {
    clearTimeout(later);
    later = setTimeout(() => void loadStudies(), TOGETHER_MS);
  });
  on<Progress>('progress', ({ id, fraction, says }) => {
    progress.value = new Map(progress.value).set(id, { fraction, says });
  });
}
