import { ECHO_NUMBER } from '../fixtures/hotdesk';
import { expect, test, TONES } from '../fixtures/test';
import { expectNoTone, expectSilence, expectTone } from '../fixtures/tone';

test('who dials the echo number hears himself', async ({ agent }) => {
  await agent.desk.dial(ECHO_NUMBER);
  await agent.desk.is('on-call');
  await expectTone(agent.page, agent.hertz);
  await expectNoTone(agent.page, TONES.bruno);
  await expect(agent.desk.callTime).toHaveText(/^0:\d\d$/);
  await agent.desk.linkIs('audio', 'good');
  await agent.desk.end.click();
  await agent.desk.is('ready');
  await expectSilence(agent.page);
});

test('the test call button does the same', async ({ agent }) => {
  await agent.desk.testCall.click();
  await agent.desk.is('on-call');
  await expectTone(agent.page, agent.hertz);
});

test('muted, the echo is silent; unmuted, it is back', async ({ agent }) => {
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
  await agent.desk.mute.click();
  await expectSilence(agent.page);
  await agent.desk.is('on-call');
  await agent.desk.unmute.click();
  await expectTone(agent.page, agent.hertz);
});

test('ten calls in a row leave the phone as it was', async ({ agent }) => {
  for (let n = 0; n < 10; n += 1) {
    await agent.desk.dial(ECHO_NUMBER);
    await agent.desk.is('on-call');
    await agent.desk.end.click();
    await agent.desk.is('ready');
  }
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
});

test('digits pressed in a call are shown', async ({ agent }) => {
  await agent.desk.dial(ECHO_NUMBER);
  await agent.desk.is('on-call');
  await agent.desk.keypad.click();
  for (const key of ['1', '*', '#']) await agent.desk.press(key);
  await expect(agent.page.getByRole('status', { name: 'Digits sent' })).toHaveText('1*#');
});
