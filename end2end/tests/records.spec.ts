import { CtiSocket } from '../fixtures/cti';
import { ECHO_NUMBER, LINES } from '../fixtures/hotdesk';
import { callRecords, query } from '../fixtures/records';
import { expect, test } from '../fixtures/test';
import { expectTone } from '../fixtures/tone';

const CONNECTION_ERRORS = /WebSocket|ERR_CONNECTION|Failed to (load|fetch)/;

test('a call is on record though the server was killed right after it ended', async ({ agent, colleague, hotdesk }) => {
  for (const { watch } of [agent, colleague]) watch.allow(CONNECTION_ERRORS);
  const socket = await CtiSocket.of(hotdesk, 'alice');
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.answer.click();
  await expectTone(agent.page, colleague.hertz);
  const established = await socket.phoneEvent('EventEstablished');
  await agent.desk.end.click();
  await socket.phoneEvent('EventReleased');
  await hotdesk.kill();
  await hotdesk.launch();

  const records = await callRecords(hotdesk);
  expect(records).toHaveLength(1);
  const [record] = records;
  expect(record).toMatchObject({ caller_number: LINES.alice, callee_number: LINES.bruno, linked_id: established.linkedId });
  expect(record.answered_at).not.toBeNull();
  expect(record.started_at).toBeLessThanOrEqual(record.answered_at as number);
  expect(record.answered_at as number).toBeLessThanOrEqual(record.ended_at);
  expect(record.duration_ms).toBeGreaterThan(0);

  await hotdesk.kill();
  await hotdesk.launch();
  expect(await callRecords(hotdesk)).toEqual(records);
  expect(await query(hotdesk, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
});

test('calls that were not answered are on record with their cause', async ({ agent, colleague, hotdesk }) => {
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.decline.click();
  await agent.desk.is('ready', 15_000);
  await agent.desk.dial(LINES.bruno);
  await colleague.desk.is('ringing');
  await agent.desk.end.click();
  await agent.desk.is('ready');
  await agent.desk.dial(ECHO_NUMBER);
  await agent.desk.is('on-call');
  await agent.desk.end.click();
  await agent.desk.is('ready');
  await expect.poll(async () => (await callRecords(hotdesk)).length).toBe(3);
  const [declined, abandoned, echo] = await callRecords(hotdesk);
  expect(declined).toMatchObject({ callee_number: LINES.bruno, answered_at: null });
  expect(abandoned).toMatchObject({ callee_number: LINES.bruno, answered_at: null });
  expect(declined.cause).not.toBe(abandoned.cause);
  expect(echo).toMatchObject({ callee_number: ECHO_NUMBER });
  expect(echo.answered_at).not.toBeNull();
});

test('a call that the kill cut off is on record itself and leaves a line that is free', async ({ agent, hotdesk }) => {
  agent.watch.allow(CONNECTION_ERRORS);
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
  await hotdesk.kill();
  await hotdesk.launch();
  const cutOff = await callRecords(hotdesk);
  expect(cutOff).toHaveLength(1);
  expect(cutOff[0]).toMatchObject({ callee_number: ECHO_NUMBER, cause: 'connection_lost' });
  expect(cutOff[0].answered_at).not.toBeNull();
  expect(cutOff[0].answered_at as number).toBeLessThanOrEqual(cutOff[0].ended_at);

  await agent.desk.ready(30_000);
  await agent.desk.is('ready', 30_000);
  await agent.desk.dial(ECHO_NUMBER);
  await expectTone(agent.page, agent.hertz);
  await agent.desk.end.click();
  await expect.poll(async () => (await callRecords(hotdesk)).length).toBe(2);
  expect(await callRecords(hotdesk)).toContainEqual(cutOff[0]);
});
