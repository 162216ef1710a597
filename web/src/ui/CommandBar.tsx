import { whyNoCuts, toggleCuts } from '../acts.ts';
import { open } from '../station.ts';
import { type Tool, take, tool } from '../tools.ts';
import { CommandLine, EngineChoice, Told } from './Dialogue.tsx';
import { Microphone } from './Voice.tsx';

const TOOLS: { tool: Tool; name: string; key: string; says: string }[] = [
  { tool: 'box', name: 'Box', key: 'B', says: 'Draw a box round a thing' },
  { tool: 'point', name: 'Click', key: 'P', says: 'Click on a thing' },
  { tool: 'not', name: 'Not', key: 'O', says: 'Click on what it is not' },
  { tool: 'line', name: 'Diameter', key: 'D', says: 'Draw its longest diameter' },
  { tool: 'scribble', name: 'Scribble', key: 'S', says: 'Scribble on a thing' },
  { tool: 'length', name: 'Length', key: 'L', says: 'Measure a length' },
  { tool: 'angle', name: 'Angle', key: 'A', says: 'Measure an angle' },
];

function Tools() {
  const reason = whyNoCuts();
  const isCut = open.value!.views.length > 1;
  return (
    <div class="tools" role="toolbar" aria-label="Tools">
      {TOOLS.map((each) => (
        <button
          key={each.tool}
          type="button"
          class="tool"
          aria-pressed={tool.value === each.tool}
          title={each.says}
          onClick={() => take(each.tool)}
        >
          {each.name} <kbd>{each.key}</kbd>
        </button>
      ))}
      <button
        type="button"
        class="tool apart"
        aria-pressed={isCut}
        aria-disabled={reason !== null}
        title={reason ?? 'Three cuts through the volume'}
        onClick={() => void toggleCuts()}
      >
        Cuts <kbd>M</kbd>
      </button>
    </div>
  );
}

export function CommandBar() {
  return (
    <footer class="bar">
      <Told />
      <div class="line">
        <Tools />
        <Microphone />
        <CommandLine />
        <EngineChoice />
      </div>
    </footer>
  );
}
