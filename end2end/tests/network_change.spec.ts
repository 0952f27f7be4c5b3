import { ECHO_NUMBER } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';

test('the browser says that it is on line again in a call whose path held: the sound stays good', async ({ agent }) => {
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
  await agent.desk.linkIs('audio', 'good');
  await agent.page.evaluate(() => window.dispatchEvent(new Event('online')));
  await expectTone(agent.page, agent.hertz);
  await agent.desk.linkIs('audio', 'good');
  await expect(agent.desk.card.getByText('The sound is interrupted')).toBeHidden();
});
