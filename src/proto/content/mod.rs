//! temporary
use super::Violation;
use crate::model::{Digest, RelPath};
use bytes::{Bytes, BytesMut};
/// w
#[derive(Debug, Clone)]
pub struct Want { pub path: RelPath, pub content: Digest, pub offset: u64, pub bytes: u64 }
/// v
#[derive(Debug, Clone)]
pub enum Verdict { Whole, Changed, Gone, Unreadable(String) }
/// r
#[derive(Debug, Clone)]
pub enum Reply { Head { size: u64, content: Digest, bytes: u64 }, Chunk { zstd: bool, raw_bytes: u32, data: Bytes }, End(Verdict) }
pub struct Decoder;
impl Decoder { pub fn new() -> Decoder { Decoder } pub fn push(&mut self, _b: Bytes) {} pub fn poll(&mut self) -> Result<Option<Reply>, Violation> { todo!() } }
pub fn encode_request(_w: &[Want]) -> Vec<u8> { todo!() }
pub fn decode_request(_b: &[u8]) -> Result<Vec<Want>, Violation> { todo!() }
pub fn encode_head(_s: u64, _c: &Digest, _b: u64, _o: &mut BytesMut) { todo!() }
pub fn encode_chunk(_z: bool, _r: usize, _d: &[u8], _o: &mut BytesMut) { todo!() }
pub fn encode_end(_v: &Verdict, _o: &mut BytesMut) { todo!() }
