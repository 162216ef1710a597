import type { StudyEntry } from '../api.ts';
import { fusion, toggleFusion } from '../fusion.ts';
import { ABOVE, imageSeries, open, opening } from '../station.ts';
import { openSeries, priors, togglePrior } from '../studies.ts';
import { date } from '../words.ts';

export function Strip() {
  const { study, drawn, prior } = open.value!;
  const isShown = (each: StudyEntry): boolean =>
    each.study_instance_uid === prior?.study.study_instance_uid;
  return (
    <nav class="strip" aria-label="Series">
      {imageSeries(study).map((series) => {
        const uid = series.series_instance_uid;
        const isShown = uid === drawn.info.series_instance_uid;
        const isOver = uid === fusion.value?.above.info.series_instance_uid;
        const thumb = (
          <button
            key={uid}
            type="button"
            class={`thumb ${isShown ? 'is-shown' : ''} ${opening.value === uid ? 'is-opening' : ''}`}
            aria-pressed={isShown}
            onClick={() => void openSeries(study, uid)}
          >
            <img
              src={`/dicom-web/studies/${study.study_instance_uid}/series/${uid}/thumbnail`}
              alt=""
              width="96"
              height="96"
              loading="lazy"
            />
            <span class="name">{series.description || series.modality}</span>
            <span class="quiet">
              {series.modality} · {series.instances}
            </span>
          </button>
        );
        if (!ABOVE.has(series.modality)) return thumb;
        return (
          <div key={uid} class="layer">
            {thumb}
            <button
              type="button"
              class="plain quiet"
              aria-pressed={isOver}
              onClick={() => void toggleFusion(uid)}
            >
              {isOver ? 'Take away' : 'Lay over'} <kbd>I</kbd>
            </button>
          </div>
        );
      })}
      {priors.value.length > 0 && <h2 class="quiet small">Earlier</h2>}
      {priors.value.map((each) => (
        <button
          key={each.study_instance_uid}
          type="button"
          class={`thumb ${isShown(each) ? 'is-shown' : ''}`}
          aria-pressed={isShown(each)}
          onClick={() => void togglePrior(each)}
        >
          <span class="name">{date(each.study_date)}</span>
          <span class="quiet">{each.description}</span>
        </button>
      ))}
    </nav>
  );
}
