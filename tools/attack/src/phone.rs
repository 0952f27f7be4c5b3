//! A phone with an account, by UDP.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};

use crate::target::Target;
use crate::wire::{Line, Request, Response};

/// A number that nobody has had in this run.
pub fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    (u64::from(std::process::id()) << 32) + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A registered phone, which is no stranger to the server any more.
pub struct Phone {
    /// Its socket.
    pub line: Line,
    /// Its account.
    pub name: String,
    password: String,
    domain: String,
}

impl Phone {
    /// Registers at the target.
    ///
    /// # Errors
    /// If that is refused.
    pub fn register(target: &Target, name: &str, from: IpAddr) -> anyhow::Result<Phone> {
        let line = Line::udp(from, target.sip)?;
        let (name, password) = (name.to_owned(), target.password.clone());
        let mut phone = Phone { line, name, password, domain: target.sip.to_string() };
        let response = phone.refresh().context("no answer to REGISTER")?;
        if response.status != 200 {
            bail!("{} cannot register: {}", phone.name, response.text);
        }
        Ok(phone)
    }

    /// Registers once more.
    pub fn refresh(&mut self) -> Option<Response> {
        let domain = format!("sip:{}", self.domain);
        let mut register = self.request("REGISTER", &domain);
        register.to = format!("<sip:{}@{}>", self.name, self.domain);
        register.headers = "Expires: 600\r\n".into();
        self.line.ask_proven(&mut register, &self.name, &self.password)
    }

    /// By the same socket, for another account: the proof of a request is its own.
    pub fn be(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// A request of this phone outside of any dialog.
    pub fn request(&self, method: &'static str, uri: &str) -> Request {
        Request::new(method, number(), &format!("sip:{}@{}", self.name, self.domain), uri)
    }

    /// The address of a number at the target.
    pub fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.domain)
    }

    /// Asks with its password.
    pub fn ask(&mut self, request: &mut Request) -> Option<Response> {
        self.line.ask_proven(request, &self.name, &self.password)
    }

    /// Has a request challenged and adds the proof, without sending it again.
    ///
    /// # Errors
    /// The answer, where it was no challenge; nothing where none came.
    pub fn prove(&mut self, request: &mut Request) -> Result<(), Option<Response>> {
        let challenge = self.line.ask(request).ok_or(None)?;
        let (name, password) = (&self.name, &self.password);
        let proof = crate::wire::proof(&challenge, request.method, &request.uri, name, password);
        let proof = proof.ok_or(Some(challenge.clone()))?;
        if request.method == "INVITE" {
            self.line.acknowledge(request, &challenge);
        }
        request.cseq += 1;
        request.headers.push_str(&proof);
        Ok(())
    }
}

/// The request that speaks in the dialog which `answer` to `invite` has made.
pub fn in_dialog(invite: &Request, answer: &Response, method: &'static str) -> Request {
    let contact = answer.header("Contact").unwrap_or_default();
    let target = contact.split_once('<').and_then(|(_, rest)| rest.split('>').next());
    Request {
        method,
        uri: target.unwrap_or(&invite.uri).to_owned(),
        to: answer.header("To").unwrap_or_default().to_owned(),
        cseq: invite.cseq + u32::from(method != "ACK"),
        headers: String::new(),
        body: String::new(),
        ..invite.clone()
    }
}
