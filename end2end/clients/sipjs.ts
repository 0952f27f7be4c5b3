import { type Session, UserAgent, Web } from 'sip.js';
import { openAccount, type Phone, player, show } from './session';

/** A softphone on the simplest face of SIP.js. */
class SipJsPhone implements Phone {
  private user: Web.SimpleUser | undefined;
  private domain = '';

  async register(server: string, login: string, password: string, displayName: string): Promise<void> {
    const account = await openAccount(server, login, password);
    this.domain = account.domain;
    const user = new Web.SimpleUser(account.sipUrl, {
      aor: `sip:${account.name}@${account.domain}`,
      media: { constraints: { audio: true, video: false }, remote: { audio: player() } },
      userAgentOptions: { authorizationUsername: account.name, authorizationPassword: account.password, displayName, logLevel: 'warn' },
      registererOptions: { expires: 60 },
    });
    this.user = user;
    await user.connect();
    await new Promise<void>((done, failed) => {
      user.delegate = {
        onRegistered: () => done(),
        onUnregistered: () => failed(new Error('registration was refused')),
        onCallReceived: () => show('ringing'),
        onCallCreated: () => show('calling'),
        onCallAnswered: () => show('in call'),
        onCallHangup: () => show('ended'),
        onCallHold: (held) => show(held ? 'on hold' : 'in call'),
      };
      user.register().catch(failed);
    });
    show('registered');
  }

  async call(number: string): Promise<void> {
    await this.user?.call(`sip:${number}@${this.domain}`);
  }

  async answer(): Promise<void> {
    await this.user?.answer();
  }

  async hold(): Promise<void> {
    await this.user?.hold();
  }

  async resume(): Promise<void> {
    await this.user?.unhold();
  }

  async hangUp(): Promise<void> {
    await this.user?.hangup();
  }

  async transfer(number: string): Promise<void> {
    // The simplest face has no transfer; the session behind it has.
    const { session } = this.user as unknown as { session: Session };
    const target = UserAgent.makeURI(`sip:${number}@${this.domain}`);
    if (target) await session.refer(target);
  }

  async press(key: string): Promise<void> {
    await this.user?.sendDTMF(key);
  }
}

window.phone = new SipJsPhone();
show('offline');
