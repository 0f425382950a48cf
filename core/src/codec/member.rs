//! News of members on the wire.

use super::body::{name, small};
use super::{Count, DecodeError, Reader, Sink};
use crate::entry::Scope;
use crate::id::{Addr, Boot, NodeId};
use crate::member::{INCARNATION_LIMIT, Life, Member, Standing};
use crate::packet::{Card, MemberUpdate, Subject};
use crate::settings::Settings;
use crate::time::Span;

pub(super) fn put_addr(sink: &mut impl Sink, addr: Addr) {
    sink.put(&addr.ip);
    sink.put(&addr.port.to_le_bytes());
}

pub(super) fn addr(reader: &mut Reader<'_>) -> Result<Addr, DecodeError> {
    Ok(Addr { ip: reader.array("address")?, port: u16::from_le_bytes(reader.array("port")?) })
}

const HAS_CARD: u8 = 4;
const HAS_ACCUSER: u8 = 8;
const HAS_SETTINGS: u8 = 16;

pub(super) fn put_member(sink: &mut impl Sink, update: &MemberUpdate) {
    let has_accuser = update.accuser != update.node;
    sink.put(&update.node.0.to_le_bytes());
    // Where nothing is said of settings they are the usual ones.
    let settings =
        update.card.as_ref().map(|card| card.settings).filter(|settings| *settings != Settings::USUAL);
    let flags = (u8::from(update.card.is_some()) * HAS_CARD)
        | (u8::from(has_accuser) * HAS_ACCUSER)
        | (u8::from(settings.is_some()) * HAS_SETTINGS);
    sink.byte((update.standing as u8) | flags);
    sink.varint(update.life.boot.0);
    sink.varint(u64::from(update.life.incarnation));
    sink.varint(update.age.as_us());
    if has_accuser {
        sink.put(&update.accuser.0.to_le_bytes());
    }
    if let Some(card) = &update.card {
        put_card(sink, card);
    }
    if let Some(settings) = settings {
        sink.put(&settings.to_le_bytes());
    }
}

fn put_card(sink: &mut impl Sink, card: &Card) {
    sink.blob(card.name.as_str().as_bytes());
    put_addr(sink, card.addr);
    sink.put(&card.zone.0.to_le_bytes());
    sink.put(&card.weight.to_le_bytes());
}

/// A member as it stands on disk.
pub(super) fn put_known(sink: &mut impl Sink, member: &Member) {
    sink.byte(member.standing as u8);
    sink.varint(member.life.boot.0);
    sink.varint(u64::from(member.life.incarnation));
    put_card(sink, &Card::of(member));
    sink.put(&member.settings.to_le_bytes());
}

pub(super) fn read_known(reader: &mut Reader<'_>) -> Result<Member, DecodeError> {
    let number = reader.byte("standing")?;
    let standing = Standing::from_u8(number).ok_or(DecodeError::BadValue("standing", number.into()))?;
    let life = read_life(reader)?;
    let Card { name, addr, zone, weight, .. } = read_card(reader)?;
    let settings = u64::from_le_bytes(reader.array("settings")?);
    Ok(Member { zone, weight, life, standing, settings, ..Member::new(name, addr) })
}

/// The encoded size of one piece of news of a member.
#[must_use]
pub fn member_len(update: &MemberUpdate) -> usize {
    let mut count = Count::default();
    put_member(&mut count, update);
    count.0
}

pub(super) fn put_subject(sink: &mut impl Sink, subject: Subject) {
    sink.put(&subject.node.0.to_le_bytes());
    sink.put(&[subject.tried, subject.answered]);
}

pub(super) fn read_member(reader: &mut Reader<'_>) -> Result<MemberUpdate, DecodeError> {
    let node = NodeId(u64::from_le_bytes(reader.array("member")?));
    let flags = reader.byte("standing")?;
    let standing = Standing::from_u8(flags & 3).filter(|_| flags < 32);
    let standing = standing.ok_or(DecodeError::BadValue("standing", u64::from(flags)))?;
    let life = read_life(reader)?;
    let age = Span(reader.varint("age")?);
    let accuser = match flags & HAS_ACCUSER {
        0 => node,
        _ => NodeId(u64::from_le_bytes(reader.array("accuser")?)),
    };
    let mut card = (flags & HAS_CARD != 0).then(|| read_card(reader)).transpose()?;
    if flags & HAS_SETTINGS != 0 {
        let card = card.as_mut().ok_or(DecodeError::BadValue("standing", u64::from(flags)))?;
        card.settings = u64::from_le_bytes(reader.array("settings")?);
        if card.settings == Settings::USUAL {
            return Err(DecodeError::BadValue("settings", card.settings));
        }
    }
    if card.as_ref().is_some_and(|card| NodeId::of(&card.name) != node) {
        return Err(DecodeError::BadValue("member", node.0));
    }
    Ok(MemberUpdate { node, life, standing, age, accuser, card })
}

fn read_life(reader: &mut Reader<'_>) -> Result<Life, DecodeError> {
    let life = Life { boot: Boot(reader.bounded("boot")?), incarnation: small(reader, "incarnation")? };
    if life.incarnation > INCARNATION_LIMIT {
        return Err(DecodeError::BadValue("incarnation", life.incarnation.into()));
    }
    Ok(life)
}

fn read_card(reader: &mut Reader<'_>) -> Result<Card, DecodeError> {
    let name = name(reader, "name")?;
    let addr = addr(reader)?;
    let zone = Scope(u64::from_le_bytes(reader.array("zone")?));
    let weight = u16::from_le_bytes(reader.array("weight")?);
    Ok(Card { name, addr, zone, weight, settings: Settings::USUAL })
}

pub(super) fn read_subject(reader: &mut Reader<'_>) -> Result<Subject, DecodeError> {
    let node = NodeId(u64::from_le_bytes(reader.array("subject")?));
    let [tried, answered] = reader.array("subject")?;
    if answered > tried {
        return Err(DecodeError::BadValue("answered", u64::from(answered)));
    }
    Ok(Subject { node, tried, answered })
}
