import { isLoginOpen } from '../src/access.ts';
import { isConnected, isSayingsOpen, isSendOpen, open } from '../src/station.ts';
import { CommandLine, EngineChoice, Told } from '../src/ui/Dialogue.tsx';
import { Findings } from '../src/ui/Findings.tsx';
import { Login } from '../src/ui/Login.tsx';
import { Sayings } from '../src/ui/Sayings.tsx';
import { SendSheet } from '../src/ui/SendSheet.tsx';
import { Microphone } from '../src/ui/Voice.tsx';
import { Who } from '../src/ui/Who.tsx';
import { notice } from './following.ts';
import { BOX, CLICK, take } from './prompts.ts';

/** Whose images a command is about: the reader sees it before every sentence. */
function About() {
  const now = open.value;
  if (!now) return null;
  const { patient, description, modality } = now.drawn.info;
  return (
    <header class="about-images" data-testid="about">
      <h2>{patient.name || 'No name'}</h2>
      <p class="quiet">{[patient.id, modality, description].filter(Boolean).join(' · ')}</p>
    </header>
  );
}

function Tools() {
  return (
    <div class="tools" role="toolbar" aria-label="Point at a thing">
      <button
        type="button"
        class="tool"
        title="Draw a box round a thing, with OHIF’s rectangle"
        onClick={() => take(BOX)}
      >
        Box
      </button>
      <button
        type="button"
        class="tool"
        title="Click on a thing, with OHIF’s probe"
        onClick={() => take(CLICK)}
      >
        Click
      </button>
    </div>
  );
}

/** The copilot beside OHIF's images. */
export function Panel() {
  return (
    <div class="beside" data-testid="copilot">
      {!isConnected.value && !isLoginOpen.value && (
        <p class="notice" role="alert">
          The station does not answer. What you see may be old; the panel goes on by itself.
        </p>
      )}
      {notice.value && (
        <p class="notice" role="status">
          {notice.value}
        </p>
      )}
      <About />
      {open.value && (
        <>
          <Findings />
          <footer class="bar">
            <Told />
            <div class="row">
              <Tools />
              <EngineChoice />
            </div>
            <Microphone />
            <CommandLine />
          </footer>
        </>
      )}
      <Who />
    </div>
  );
}

/** What lies over everything. */
export function Sheets() {
  return (
    <>
      {isSayingsOpen.value && <Sayings />}
      {isSendOpen.value && <SendSheet />}
      {isLoginOpen.value && <Login />}
    </>
  );
}
