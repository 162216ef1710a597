"""A reader's mouth: sentences said by Debian's voices into the browser's fake microphone.

The browser plays its file from the moment the page gets the microphone; for each sentence the page
lets go of it and is given the file anew.
"""

import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, Playwright

from domain.speech import SAMPLE_RATE_HZ
from tests.browser.conftest import launched
from tests.browser.hands import ENGINE, SOON
from voice.audio import read_utterance

VOICE = "slt"
BEFORE_S = 1.6
AFTER_S = 0.6


def speaking_browser(playwright: Playwright, sound: Path) -> Browser:
    """Start a browser whose microphone is a file."""
    return launched(
        playwright,
        "--use-gl=angle",
        "--use-angle=swiftshader",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}%noloop",
    )


@dataclass(frozen=True, kw_only=True)
class Mouth:
    """Says sentences to one page; ``sound`` is the file of the browser's microphone."""

    page: Page
    sound: Path

    def load(self, *sentences: str, pauses_s: tuple[float, ...] = (BEFORE_S,)) -> float:
        """Write the microphone's file: silence, then the sentences; return its seconds."""
        pieces = []
        for sentence, pause_s in zip(sentences, pauses_s, strict=True):
            pieces += [np.zeros(int(pause_s * SAMPLE_RATE_HZ), np.float32), self._said(sentence)]
        samples = np.concatenate([*pieces, np.zeros(int(AFTER_S * SAMPLE_RATE_HZ), np.float32)])
        aside = self.sound.with_suffix(".part")
        with wave.open(str(aside), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        aside.replace(self.sound)
        return len(samples) / SAMPLE_RATE_HZ

    def _said(self, sentence: str) -> np.ndarray:
        path = self.sound.with_name("said.wav")
        subprocess.run(["flite", "-voice", VOICE, "-t", sentence, "-o", str(path)], check=True)
        return read_utterance(path).samples

    def off(self) -> None:
        """Let go of the microphone; the cursor stays where it is."""
        off = self.page.get_by_role("button", name="Microphone off")
        if off.count():
            off.dispatch_event("click")
        self.wait("off")

    def wait(self, *states: str, timeout: int = ENGINE) -> None:
        """Wait until the page says so of its microphone."""
        shown = ",".join(f'[data-testid="voice"][data-state="{each}"]' for each in states)
        self.page.wait_for_selector(shown, timeout=timeout, state="attached")

    def hold(self, sentence: str, key: str = "F4") -> None:
        """Hold a key, say a sentence, and let go."""
        self.off()
        seconds = self.load(sentence)
        self.page.keyboard.down(key)
        self.wait("listening", timeout=SOON)
        self.page.wait_for_timeout(seconds * 1000)
        self.page.keyboard.up(key)

    def say(self, sentence: str, key: str = "F4") -> None:
        """Say a sentence, and wait until it is read."""
        self.hold(sentence, key)
        self.wait("armed")
