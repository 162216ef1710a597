// Runs in the browser's audio thread: hands on what the microphone gives as 16-bit samples at 16 kHz.

const RATE_HZ = 16000;
const FRAME = 320; // 20 ms

class Capture extends AudioWorkletProcessor {
  frame = new Int16Array(FRAME);
  filled = 0;
  // a browser that keeps its device's rate: each sample is the mean of those it stands for
  share = RATE_HZ / sampleRate;
  due = 0;
  sum = 0;
  count = 0;

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.sum += sample;
      this.count++;
      this.due += this.share;
      if (this.due < 1) continue;
      this.due -= 1;
      this.keep(this.sum / this.count);
      this.sum = 0;
      this.count = 0;
    }
    return true;
  }

  keep(sample) {
    const value = Math.max(-1, Math.min(1, sample));
    this.frame[this.filled++] = Math.round(value * 32767);
    if (this.filled < FRAME) return;
    this.port.postMessage(this.frame.buffer, [this.frame.buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }
}

registerProcessor('capture', Capture);
