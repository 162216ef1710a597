import { isLoginOpen, owner } from '../access.ts';
import { isConnected, isHelpOpen, isSayingsOpen, isSendOpen, open } from '../station.ts';
import { isSignOpen } from '../report.ts';
import { Help } from './Help.tsx';
import { Login } from './Login.tsx';
import { Reading } from './Reading.tsx';
import { Sayings } from './Sayings.tsx';
import { SendSheet } from './SendSheet.tsx';
import { SignSheet } from './SignSheet.tsx';
import { Worklist } from './Worklist.tsx';

export function App() {
  return (
    <>
      {!isConnected.value && !isLoginOpen.value && (
        <p class="offline" role="alert">
          The server does not answer. What you see may be old; the page goes on by itself.
        </p>
      )}
      {owner.value && (open.value ? <Reading /> : <Worklist />)}
      {isHelpOpen.value && <Help />}
      {isSayingsOpen.value && <Sayings />}
      {isSendOpen.value && <SendSheet />}
      {isSignOpen.value && <SignSheet />}
      {isLoginOpen.value && <Login />}
    </>
  );
}
