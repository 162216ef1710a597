// Prints what Cornerstone's adapters make of the measurement report that is named: a JSON list.
import { readFileSync } from 'node:fs';

// the adapters load drawing code of a browser, which reading needs none of
globalThis.window = globalThis;
globalThis.document = { createElement: () => ({ style: {} }), addEventListener() {} };

const { data } = (await import('dcmjs')).default;
const { MeasurementReport, Probe } = (await import('@cornerstonejs/adapters')).adaptersSR
  .Cornerstone3D;

const bytes = readFileSync(process.argv[2]);
const part10 = data.DicomMessage.readFile(
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
);
const report = data.DicomMetaDictionary.naturalizeDataset(part10.dict);

// a group is read as the point that its first number has; the number itself is kept beside
const point = {
  toolType: Probe.toolType,
  getMeasurementData(...group) {
    const { NUMGroup } = MeasurementReport.getSetupMeasurementData(...group);
    return { ...Probe.getMeasurementData(...group), NUMGroup };
  },
};
const read = MeasurementReport.generateToolState(report, {}, { get() {} }, {
  getToolClass: () => point,
});

console.log(
  JSON.stringify(
    (read.Probe ?? []).map((each) => ({
      uid: each.TrackingUniqueIdentifier,
      finding: each.finding.CodeValue,
      sites: each.findingSites.map((site) => site.CodeValue),
      label: each.annotation.data.label,
      point: each.annotation.data.handles.points[0],
      number: each.NUMGroup.ConceptNameCodeSequence.CodeMeaning,
      value: each.NUMGroup.MeasuredValueSequence.NumericValue,
      unit: each.NUMGroup.MeasuredValueSequence.MeasurementUnitsCodeSequence.CodeValue,
    })),
  ),
);
