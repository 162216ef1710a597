import { useEffect, useState } from 'preact/hooks';

import { type StudyEntry, get } from '../api.ts';
import { type Report, asLine, isFinal } from '../report.ts';
import { attempt } from '../station.ts';
import { date } from '../words.ts';

/** What this station's report says of the study that stands beside, to read and not to change. */
export function EarlierReport({ study }: { study: StudyEntry }) {
  const [found, setFound] = useState<Report | null>(null);
  const uid = study.study_instance_uid;
  useEffect(() => {
    let isStill = true;
    setFound(null);
    void attempt(() => get<Report>(`/api/studies/${uid}/report`)).then((answer) => {
      if (isStill) setFound(answer);
    });
    return () => {
      isStill = false;
    };
  }, [uid]);
  if (!found) return null;
  const sections = found.sections
    .map(({ title, fields }) => ({
      title,
      said: fields.filter(({ text, unseen }) => text.trim() && !unseen).map(asLine),
    }))
    .filter(({ said }) => said.length);
  const last = found.versions.at(-1);
  return (
    <section class="earlier-report" aria-label="Report of the earlier study">
      <h3>Report of {date(study.study_date)}</h3>
      <p class="quiet small">
        {isFinal(found.status) && last ? `Signed by ${last.signer}.` : 'Not signed here.'}
      </p>
      {sections.map(({ title, said }) => (
        <div key={title}>
          <h4>{title}</h4>
          {said.map((each) => (
            <p key={each}>{each}</p>
          ))}
        </div>
      ))}
    </section>
  );
}
