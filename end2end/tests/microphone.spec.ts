import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';

for (const [what, kind, words] of [
  ['a refused microphone', 'refused', /not allowed.*address bar/i],
  ['a missing microphone', 'missing', /no microphone.*plug one in/i],
] as const) {
  test(`${what} is named when a call is made, with what to do`, async ({ signIn }) => {
    const { desk } = await signIn('alice', { microphone: { kind } });
    await desk.dial(ECHO_NUMBER);
    await expect(desk.microphoneProblem).toBeVisible();
    await expect(desk.microphoneProblem).toContainText(words);
    await desk.linkIs('audio', 'bad');
    await desk.is('ready', 15_000);
    await desk.ready();
  });

  test(`${what} is named when a call is answered; it rings on, and declining it tells the caller`, async ({ signIn, colleague }) => {
    const { desk } = await signIn('alice', { microphone: { kind } });
    await colleague.desk.dial(LINES.alice);
    await desk.answer.click();
    await expect(desk.microphoneProblem).toBeVisible();
    await expect(desk.microphoneProblem).toContainText(words);
    await desk.is('ringing');
    await desk.decline.click();
    await colleague.desk.is('ready', 20_000);
    await desk.is('ready', 20_000);
  });
}

test('after a refusal the page looks again when asked, and holds no microphone afterwards', async ({ agent }) => {
  const { desk, page } = agent;
  await page.evaluate(() => {
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    const refused = () => Promise.reject(new DOMException('refused', 'NotAllowedError'));
    const tracks: MediaStreamTrack[] = [];
    devices.getUserMedia = refused;
    Object.assign(window, {
      tracks,
      allowMicrophone: () => {
        devices.getUserMedia = async (constraints) => {
          const stream = await open(constraints);
          tracks.push(...stream.getTracks());
          return stream;
        };
      },
    });
  });
  await desk.dial(ECHO_NUMBER);
  await expect(desk.microphoneProblem).toBeVisible();
  await page.evaluate(() => (window as unknown as { allowMicrophone: () => void }).allowMicrophone());
  await desk.microphoneProblem.getByRole('button', { name: 'Try again', exact: true }).click();
  await expect(desk.microphoneProblem).toBeHidden();
  const states = () => page.evaluate(() => (window as unknown as { tracks: MediaStreamTrack[] }).tracks.map((track) => track.readyState));
  await expect.poll(states).toEqual(['ended']);
});
