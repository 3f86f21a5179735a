//! The packets of MQTT 5 that a client of QoS 0 and 1 writes and reads (OASIS MQTT 5.0, chapter 3).

use std::fmt;

/// Longest packet that is read. The server drops a longer one itself, as it is told to.
pub(super) const MAX_PACKET_BYTES: usize = 64 * 1_024;

/// What is wrong with what the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    ConnAck { session_present: bool, reason: u8, properties: Properties },
    Publish(Box<Publish>),
    PubAck { id: u16, reason: u8, properties: Properties },
    SubAck { id: u16, reasons: Vec<u8>, properties: Properties },
    UnsubAck { id: u16 },
    PingResp,
    Disconnect { reason: u8, properties: Properties },
}

/// A message, either way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) dup: bool,
    pub(super) retain: bool,
    pub(super) topic: String,
    /// With QoS 1 only.
    pub(super) id: Option<u16>,
    pub(super) properties: Properties,
    pub(super) payload: Vec<u8>,
}

/// Those properties of any packet that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    pub(super) message_expiry: Option<u32>,
    pub(super) content_type: Option<String>,
    pub(super) response_topic: Option<String>,
    pub(super) correlation_data: Option<Vec<u8>>,
    pub(super) session_expiry: Option<u32>,
    pub(super) receive_maximum: Option<u16>,
    pub(super) maximum_qos: Option<u8>,
    pub(super) maximum_packet: Option<u32>,
    pub(super) server_keep_alive: Option<u16>,
    pub(super) topic_alias: Option<u16>,
    pub(super) reason_text: Option<String>,
    pub(super) user: Vec<(String, String)>,
}

impl Properties {
    /// What the server gives as its reason, to be put behind what it means; often nothing.
    pub(super) fn reason(&self) -> String {
        self.reason_text.as_ref().map(|text| format!(" ({text:?})")).unwrap_or_default()
    }
}

/// What a connection begins with.
pub(super) struct Connect<'a> {
    pub(super) client_id: &'a str,
    pub(super) clean_start: bool,
    pub(super) keep_alive: u16,
    pub(super) session_expiry: u32,
    pub(super) receive_maximum: u16,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<&'a [u8]>,
}

pub(super) fn connect(out: &mut Vec<u8>, connect: &Connect<'_>) {
    packet(out, 0x10, |out| {
        text(out, "MQTT");
        let flags = (u8::from(connect.username.is_some()) << 7)
            | (u8::from(connect.password.is_some()) << 6)
            | (u8::from(connect.clean_start) << 1);
        out.extend([5, flags]);
        out.extend(connect.keep_alive.to_be_bytes());
        let properties = Properties {
            session_expiry: Some(connect.session_expiry),
            receive_maximum: Some(connect.receive_maximum),
            maximum_packet: u32::try_from(MAX_PACKET_BYTES).ok(),
            ..Properties::default()
        };
        properties.write(out);
        text(out, connect.client_id);
        connect.username.iter().for_each(|name| text(out, name));
        connect.password.iter().for_each(|password| binary(out, password));
    });
}

pub(super) fn publish(out: &mut Vec<u8>, publish: &Publish) {
    let flags = (u8::from(publish.dup) << 3) | (u8::from(publish.id.is_some()) << 1) | u8::from(publish.retain);
    packet(out, 0x30 | flags, |out| {
        text(out, &publish.topic);
        publish.id.iter().for_each(|id| out.extend(id.to_be_bytes()));
        publish.properties.write(out);
        out.extend_from_slice(&publish.payload);
    });
}

pub(super) fn puback(out: &mut Vec<u8>, id: u16) {
    out.extend([0x40, 2]);
    out.extend(id.to_be_bytes());
}

/// QoS 1 for each; what is retained is a state, not a message, and is not asked for.
pub(super) fn subscribe(out: &mut Vec<u8>, id: u16, topics: &[String]) {
    const QOS_1_NOTHING_RETAINED: u8 = 0b0010_0001;
    packet(out, 0x82, |out| {
        out.extend(id.to_be_bytes());
        Properties::default().write(out);
        for topic in topics {
            text(out, topic);
            out.push(QOS_1_NOTHING_RETAINED);
        }
    });
}

pub(super) fn pingreq(out: &mut Vec<u8>) {
    out.extend([0xc0, 0]);
}

/// With `session_expiry`, the server is to keep the session for so long only.
pub(super) fn disconnect(out: &mut Vec<u8>, reason: u8, session_expiry: Option<u32>) {
    packet(out, 0xe0, |out| {
        out.push(reason);
        Properties { session_expiry, ..Properties::default() }.write(out);
    });
}

/// The first packet in `bytes` and how long it is; `None` where it is not complete.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Packet, usize)>, Malformed> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    // Whoever speaks another protocol is known by the first byte, and not waited for.
    if !matches!(first, 0x20 | 0x30..=0x3f | 0x40 | 0x90 | 0xb0 | 0xd0 | 0xe0) {
        return Err(Malformed(format!(
            "a packet of type {} with the flags {}, which no server sends",
            first >> 4,
            first & 0xf
        )));
    }
    let Some((length, after)) = length(rest)? else { return Ok(None) };
    if length > MAX_PACKET_BYTES {
        return Err(Malformed(format!(
            "a packet of {length} bytes, and it was told that {MAX_PACKET_BYTES} are the most"
        )));
    }
    let begin = bytes.len() - after.len();
    let Some(body) = after.get(..length) else { return Ok(None) };
    Ok(Some((read_body(*first, Reader(body))?, begin + length)))
}

fn read_body(first: u8, mut body: Reader<'_>) -> Result<Packet, Malformed> {
    Ok(match first >> 4 {
        2 => {
            let (flags, reason) = (body.byte()?, body.byte()?);
            Packet::ConnAck { session_present: flags & 1 == 1, reason, properties: body.properties()? }
        }
        3 => Packet::Publish(Box::new(read_publish(first & 0xf, body)?)),
        4 => Packet::PubAck { id: body.id()?, reason: body.optional_byte(), properties: body.last_properties()? },
        9 => {
            let (id, properties) = (body.id()?, body.properties()?);
            Packet::SubAck { id, reasons: body.0.to_vec(), properties }
        }
        11 => Packet::UnsubAck { id: body.id()? },
        13 => Packet::PingResp,
        _ => Packet::Disconnect { reason: body.optional_byte(), properties: body.last_properties()? },
    })
}

fn read_publish(flags: u8, mut body: Reader<'_>) -> Result<Publish, Malformed> {
    let topic = body.text()?;
    let id = match (flags >> 1) & 3 {
        0 => None,
        1 => Some(body.id()?),
        qos => return Err(Malformed(format!("a message of QoS {qos}, and it was asked for 1 at most"))),
    };
    let properties = body.properties()?;
    if properties.topic_alias.is_some() {
        return Err(Malformed("a topic by its alias, and no alias was allowed".into()));
    }
    Ok(Publish { dup: flags & 8 != 0, retain: flags & 1 != 0, topic, id, properties, payload: body.0.to_vec() })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(Malformed("a packet ends in the middle of a field".into()));
        };
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// What is left out is success.
    fn optional_byte(&mut self) -> u8 {
        self.byte().unwrap_or_default()
    }

    fn short(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn long(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn id(&mut self) -> Result<u16, Malformed> {
        match self.short()? {
            0 => Err(Malformed("a packet with the identifier 0, which names none".into())),
            id => Ok(id),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a text that is not UTF-8".into()))
    }

    /// Properties at the end of a packet, which may be left out.
    fn last_properties(&mut self) -> Result<Properties, Malformed> {
        if self.0.is_empty() { Ok(Properties::default()) } else { self.properties() }
    }

    fn properties(&mut self) -> Result<Properties, Malformed> {
        let Some((length, rest)) = length(self.0)? else {
            return Err(Malformed("a packet ends where its properties begin".into()));
        };
        self.0 = rest;
        let mut own = Reader(self.take(length)?);
        let mut properties = Properties::default();
        while !own.0.is_empty() {
            properties.read_one(&mut own)?;
        }
        Ok(properties)
    }
}

impl Properties {
    fn read_one(&mut self, from: &mut Reader<'_>) -> Result<(), Malformed> {
        match from.byte()? {
            0x02 => self.message_expiry = Some(from.long()?),
            0x03 => self.content_type = Some(from.text()?),
            0x08 => self.response_topic = Some(from.text()?),
            0x09 => self.correlation_data = Some(from.bytes()?.to_vec()),
            0x11 => self.session_expiry = Some(from.long()?),
            0x13 => self.server_keep_alive = Some(from.short()?),
            0x1f => self.reason_text = Some(from.text()?),
            0x21 => self.receive_maximum = Some(from.short()?),
            0x23 => self.topic_alias = Some(from.short()?),
            0x24 => self.maximum_qos = Some(from.byte()?),
            0x26 => self.user.push((from.text()?, from.text()?)),
            0x27 => self.maximum_packet = Some(from.long()?),
            // A number, one byte, two bytes, a text, bytes that matter to nobody here.
            0x0b => match length(from.0)? {
                Some((_, rest)) => from.0 = rest,
                None => return Err(Malformed("a packet ends in the middle of a field".into())),
            },
            0x01 | 0x17 | 0x19 | 0x25 | 0x28 | 0x29 | 0x2a => drop(from.byte()?),
            0x22 => drop(from.short()?),
            0x18 => drop(from.long()?),
            0x12 | 0x15 | 0x1a | 0x1c => drop(from.text()?),
            0x16 => drop(from.bytes()?),
            other => return Err(Malformed(format!("a property of the number {other}, which there is not"))),
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut own = Vec::new();
        let long = |own: &mut Vec<u8>, name: u8, value: Option<u32>| {
            value.into_iter().for_each(|value| {
                own.push(name);
                own.extend(value.to_be_bytes());
            });
        };
        long(&mut own, 0x02, self.message_expiry);
        long(&mut own, 0x11, self.session_expiry);
        long(&mut own, 0x27, self.maximum_packet);
        for (name, value) in [(0x03, &self.content_type), (0x08, &self.response_topic)] {
            value.iter().for_each(|value| {
                own.push(name);
                text(&mut own, value);
            });
        }
        self.correlation_data.iter().for_each(|data| {
            own.push(0x09);
            binary(&mut own, data);
        });
        self.receive_maximum.iter().for_each(|value| {
            own.push(0x21);
            own.extend(value.to_be_bytes());
        });
        for (name, value) in &self.user {
            own.push(0x26);
            text(&mut own, name);
            text(&mut own, value);
        }
        write_length(out, own.len());
        out.append(&mut own);
    }
}

/// A number of one to four bytes, seven bits each, and what follows it.
fn length(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Malformed> {
    let mut value = 0;
    for place in 0..4 {
        let Some(byte) = bytes.get(place) else { return Ok(None) };
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((value, &bytes[place + 1..])));
        }
    }
    Err(Malformed("a length of more than four bytes".into()))
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0x7f);
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

fn packet(out: &mut Vec<u8>, first: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    write(&mut body);
    out.push(first);
    write_length(out, body.len());
    out.append(&mut body);
}

/// What is longer than a length can say is cut: everything here that is written has a bound far below.
fn binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(&bytes[..usize::from(length)]);
}

fn text(out: &mut Vec<u8>, text: &str) {
    binary(out, text.as_bytes());
}

/// What a server means by a reason code of 0x80 and above.
pub(super) fn reason_word(reason: u8) -> &'static str {
    match reason {
        0x00 => "no reason",
        0x80 => "an error it does not name",
        0x81 | 0x82 => "it takes what was sent for a protocol error",
        0x83 => "an error of its own implementation",
        0x84 => "it does not speak MQTT 5",
        0x85 => "it does not accept the client identifier",
        0x86 => "the user name or the password is wrong",
        0x87 => "it does not let this client do that",
        0x88 => "it is unavailable",
        0x89 => "it is busy",
        0x8a => "this client is banned",
        0x8b => "it shuts down",
        0x8c => "it wants another way of authentication",
        0x8d => "it has not heard of this client for too long",
        0x8e => "another client has taken the session over",
        0x8f => "it does not accept the topic filter",
        0x90 => "it does not accept the topic",
        0x93 => "too many messages are not acknowledged",
        0x95 => "the packet is too large",
        0x96 => "too many messages",
        0x97 => "a quota is exceeded",
        0x98 => "an administrator ended it",
        0x9c | 0x9d => "it wants another server to be used",
        0x9f => "too many connections",
        0xa0 => "the longest time of a connection is over",
        _ => "a reason this version does not know",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_whole(bytes: &[u8]) -> Packet {
        let (packet, length) = read(bytes).expect("well formed").expect("complete");
        assert_eq!(length, bytes.len());
        packet
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let sent = Publish {
            dup: true,
            retain: false,
            topic: "bgtask/kitchen/org.example.Mail".into(),
            id: Some(7),
            properties: Properties {
                content_type: Some("text/plain".into()),
                response_topic: Some("answers".into()),
                correlation_data: Some(vec![0, 255]),
                user: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
                message_expiry: Some(60),
                ..Properties::default()
            },
            payload: vec![1; 5_000],
        };
        let mut bytes = Vec::new();
        publish(&mut bytes, &sent);
        assert_eq!(read_whole(&bytes), Packet::Publish(Box::new(sent)));
    }

    /// The examples of the specification's text, byte by byte.
    #[test]
    fn what_a_client_writes_is_what_the_specification_says() {
        let mut bytes = Vec::new();
        subscribe(&mut bytes, 10, &["a/b".to_owned()]);
        assert_eq!(bytes, [0x82, 9, 0, 10, 0, 0, 3, b'a', b'/', b'b', 0x21]);
        bytes.clear();
        puback(&mut bytes, 0x0102);
        disconnect(&mut bytes, 0, Some(0));
        pingreq(&mut bytes);
        assert_eq!(bytes, [0x40, 2, 1, 2, 0xe0, 7, 0, 5, 0x11, 0, 0, 0, 0, 0xc0, 0]);
    }

    #[test]
    fn what_no_server_may_send_is_refused_with_what_is_wrong() {
        let long = [0x30, 0xff, 0xff, 0x7f];
        for (bytes, part) in [
            (&long[..], "the most"),
            (&[0x30, 0x80, 0x80, 0x80, 0x80, 1], "four bytes"),
            (&[0x10, 0], "type 1"),
            (&[0x34, 5, 0, 1, b'a', 0, 1], "QoS 2"),
            (&[0x32, 6, 0, 1, b'a', 0, 0, 0], "identifier 0"),
            (&[0x30, 3, 0, 9, b'a'], "in the middle"),
            (&[0x30, 4, 0, 1, 0xff, 0], "UTF-8"),
            (&[0x20, 5, 0, 0, 2, 0x7f, 0], "property of the number 127"),
            (&[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 1], "alias"),
        ] {
            let error = read(bytes).expect_err(part).to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    proptest! {
        /// Whatever a server sends: a packet, a wait for more, or an error, and never a panic.
        #[test]
        fn nothing_a_server_sends_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, length))) = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn a_packet_in_pieces_is_waited_for(cut in 0usize..60, payload in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = Vec::new();
            publish(&mut bytes, &Publish { topic: "t".into(), id: Some(1), payload, ..Publish::default() });
            prop_assert_eq!(read(&bytes[..cut % bytes.len()]), Ok(None));
        }
    }
}
