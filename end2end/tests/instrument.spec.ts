import type { Browser, Page } from '@playwright/test';
import { expect, test, TONES } from '../fixtures/test';
import { expectNoTone, expectSilence, expectTone, listen, rememberPlayers } from '../fixtures/tone';

// The measuring itself, against a connection inside one page: a test that hears what is not there would prove nothing.

const PLACE = 'http://localhost/';

/** A page whose audio element plays its own microphone, after it went through a peer connection. */
async function loopedPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext();
  await context.addInitScript(rememberPlayers);
  await context.route(PLACE, (route) => route.fulfill({ contentType: 'text/html', body: '<audio autoplay></audio>' }));
  const page = await context.newPage();
  await page.goto(PLACE);
  await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
    near.onicecandidate = ({ candidate }) => void far.addIceCandidate(candidate ?? undefined);
    far.onicecandidate = ({ candidate }) => void near.addIceCandidate(candidate ?? undefined);
    far.ontrack = ({ streams }) => {
      (document.querySelector('audio') as HTMLAudioElement).srcObject = streams[0];
    };
    for (const track of stream.getTracks()) near.addTrack(track, stream);
    await near.setLocalDescription();
    await far.setRemoteDescription(near.localDescription as RTCSessionDescription);
    await far.setLocalDescription();
    await near.setRemoteDescription(far.localDescription as RTCSessionDescription);
    Object.assign(window, { sent: stream.getAudioTracks()[0] });
  });
  return page;
}

test('a tone that went through a connection is heard, and no other', async ({ browsers }) => {
  const page = await loopedPage(await browsers.of({ microphone: { kind: 'tone', hertz: TONES.alice } }));
  await expectTone(page, TONES.alice);
  for (const other of [TONES.bruno, TONES.carla, TONES.dave]) await expectNoTone(page, other);
  await expect(expectNoTone(page, TONES.alice, 500)).rejects.toThrow(/waited 500 ms/);
  await page.context().close();
});

test('silence is told from sound, in both directions', async ({ browsers }) => {
  const page = await loopedPage(await browsers.of({ microphone: { kind: 'tone', hertz: TONES.bruno } }));
  await expectTone(page, TONES.bruno);
  await page.evaluate(() => {
    (window as unknown as { sent: MediaStreamTrack }).sent.enabled = false;
  });
  await expectSilence(page);
  await expect(expectTone(page, TONES.bruno, 500)).rejects.toThrow(/waited 500 ms/);
  await page.evaluate(() => {
    (window as unknown as { sent: MediaStreamTrack }).sent.enabled = true;
  });
  await expectTone(page, TONES.bruno);
  await expect(expectSilence(page, 500)).rejects.toThrow(/waited 500 ms/);
  await page.context().close();
});

test('an element that is paused, muted or turned down is not heard', async ({ browsers }) => {
  const page = await loopedPage(await browsers.of({ microphone: { kind: 'tone', hertz: TONES.alice } }));
  await expectTone(page, TONES.alice);
  for (const change of ['muted', 'volume', 'paused'] as const) {
    await page.evaluate((what) => {
      const audio = document.querySelector('audio') as HTMLAudioElement;
      if (what === 'muted') audio.muted = true;
      else if (what === 'volume') audio.volume = 0;
      else audio.pause();
    }, change);
    await expectSilence(page);
    await page.evaluate(async () => {
      const audio = document.querySelector('audio') as HTMLAudioElement;
      Object.assign(audio, { muted: false, volume: 1 });
      await audio.play();
    });
    await expectTone(page, TONES.alice);
  }
  expect((await listen(page, TONES.alice)).total).toBeGreaterThan(-60);
  await page.context().close();
});
