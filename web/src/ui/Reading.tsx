import { open, station, tab } from '../station.ts';
import { closeStudy } from '../studies.ts';
import { age, date } from '../words.ts';
import { CommandBar } from './CommandBar.tsx';
import { Brushes } from './Correction.tsx';
import { Findings } from './Findings.tsx';
import { Keys } from './Keys.tsx';
import { Report } from './Report.tsx';
import { Strip } from './Strip.tsx';
import { Viewport } from './Viewport.tsx';
import { Who } from './Who.tsx';

function openOhif(): void {
  const uid = open.value!.study.study_instance_uid;
  window.open(`/ohif/copilot?StudyInstanceUIDs=${uid}`, '_blank', 'noopener');
}

function Banner() {
  const { info } = open.value!.drawn;
  const { patient, study } = info;
  const about = [patient.id, patient.sex, age(patient.birth_date, study.date)]
    .filter(Boolean)
    .join(' · ');
  return (
    <header class="banner">
      <button type="button" class="ghost" onClick={closeStudy}>
        ‹ Studies
      </button>
      <h1>{patient.name || 'No name'}</h1>
      <p class="quiet">{about}</p>
      <p class="study">
        {[study.description, date(study.date), study.accession_number].filter(Boolean).join(' · ')}
      </p>
      {station.value?.has_ohif && (
        <button
          type="button"
          class="ghost"
          title="Open this study in the OHIF viewer, in a tab of its own"
          onClick={openOhif}
        >
          OHIF
        </button>
      )}
      <Keys />
      <Who />
    </header>
  );
}

export function Reading() {
  const { views, drawn, prior } = open.value!;
  return (
    <div class="reading">
      <Banner />
      <Strip />
      <main class={`views of-${views.length} ${prior ? 'with-prior' : ''}`}>
        <h2 class="unseen">Images</h2>
        {drawn.info.refusal && (
          <p class="notice" role="status">
            <strong>One image at a time.</strong> {drawn.info.refusal}
          </p>
        )}
        {views.map((view, n) => (
          <Viewport
            key={`${drawn.info.series_instance_uid}/${views.length}/${n}`}
            view={view}
            number={n}
          />
        ))}
        {prior && (
          <Viewport
            key={prior.drawn.info.series_instance_uid}
            view={prior.view}
            number={views.length}
          />
        )}
      </main>
      <aside class="panel" aria-label="Findings and report">
        <div class="tabs" role="tablist" aria-label="Panel">
          {(['findings', 'report'] as const).map((each) => (
            <button
              key={each}
              type="button"
              role="tab"
              aria-selected={tab.value === each}
              onClick={() => {
                tab.value = each;
              }}
            >
              {each === 'findings' ? 'Findings' : 'Report'} {each === 'report' && <kbd>R</kbd>}
            </button>
          ))}
        </div>
        {tab.value === 'findings' ? (
          <Findings tools={<Brushes />} />
        ) : (
          <Report key={drawn.info.study_instance_uid} />
        )}
      </aside>
      <CommandBar />
    </div>
  );
}
