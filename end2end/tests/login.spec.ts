import { checkToken, postLogin, signInByRest } from '../fixtures/api';
import { DEMO_PASSWORD } from '../fixtures/hotdesk';
import { expect, test } from '../fixtures/test';
import { DeskPage } from '../pages/desk';
import { LoginPage } from '../pages/login';

test('a demo agent signs in and finds a phone that is ready', async ({ agent }) => {
  await agent.desk.is('ready');
  await expect(agent.desk.heading).toHaveText('Ready');
  // Nothing sounds yet, so there is no audio connection that could be good or bad.
  await agent.desk.linkIs('audio', 'off');
});

test('a wrong password is said in plain words, and the right one helps', async ({ hotdesk, seat }) => {
  const { page, watch } = await seat();
  watch.allow(/status of 401/);
  const entrance = new LoginPage(page);
  await entrance.open(hotdesk.url);
  await entrance.signIn('alice', 'not the password');
  await expect(entrance.error).toHaveText(/Login or password is wrong\./);
  await expect(entrance.login).toHaveValue('alice');
  await entrance.signIn('alice', DEMO_PASSWORD);
  await new DeskPage(page).ready();
});

test('an unknown user gets the very answer of a wrong password', async ({ hotdesk }) => {
  const [wrong, unknown] = [
    await postLogin(hotdesk, { login: 'alice', password: 'guess' }),
    await postLogin(hotdesk, { login: 'nobody', password: 'guess' }),
  ];
  expect(wrong.status).toBe(401);
  expect(unknown.status).toBe(401);
  const body = await wrong.json();
  expect(body).toEqual({ error: 'InvalidCredentials', message: expect.any(String) });
  expect(await unknown.json()).toEqual(body);
});

test('bodies and tokens that are none are refused by name', async ({ hotdesk }) => {
  const badJson = await postLogin(hotdesk, '{"login":');
  expect(badJson.status).toBe(400);
  expect(await badJson.json()).toMatchObject({ error: 'InvalidJson' });

  const { token, login, TTL } = await signInByRest(hotdesk, 'alice');
  expect(login).toBe('alice');
  expect(TTL).toBeGreaterThan(0);
  const renewed = await checkToken(hotdesk, token);
  expect(renewed.status).toBe(200);
  expect(await renewed.json()).toMatchObject({ login: 'alice', token: expect.any(String) });

  const [head, claims, signature] = token.split('.');
  const none = Buffer.from('{"typ":"JWT","alg":"none"}').toString('base64url');
  const admin = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(claims, 'base64url').toString()), login: 'carla' })).toString('base64url');
  for (const forged of [`${none}.${claims}.`, `${head}.${admin}.${signature}`, `${head}.${claims}.AAAA`, 'nonsense']) {
    const answer = await checkToken(hotdesk, forged);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: expect.any(String), message: expect.any(String) });
  }
  expect((await checkToken(hotdesk)).status).toBeGreaterThanOrEqual(400);
});

test('signing out leads back to the door and leaves nothing behind', async ({ agent }) => {
  await agent.desk.signOut();
  await expect(new LoginPage(agent.page).heading).toBeVisible();
  const kept = await agent.page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
  expect(kept).not.toMatch(/eyJ/);
  await agent.page.reload();
  await expect(new LoginPage(agent.page).heading).toBeVisible();
});
