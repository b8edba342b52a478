//! Calls to `ModelInfer`: a frame and the message in it.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use mantlet::server::{
    body::{Body, Encoding, Media, Parcel},
    grpc::{asked, decode},
    tensor,
};
use mantlet_types::{Code, Datatype, Rejection, limits::BODY_BYTES_MAX, question::Question};

use super::request::{contract, questions, same, tensors_of};

/// A byte of choices, and the body as it arrives.
pub(crate) fn body(data: &[u8]) {
    let Some((choices, body)) = data.split_first() else { return };
    let encoding = match choices & 3 {
        0 => Ok(Encoding::Identity),
        1 => Ok(Encoding::Gzip),
        2 => Ok(Encoding::Deflate),
        _ => Err(Code::UnsupportedMedia),
    };
    let contract = match choices >> 2 & 3 {
        0 => contract(Datatype::Fp32, &[None, Some(2)]),
        1 => contract(Datatype::Bytes, &[None, Some(1)]),
        2 => contract(Datatype::Int64, &[None]),
        _ => contract(Datatype::Uint8, &[None, Some(3), None]),
    };
    let parcel = Parcel { body: Body::Whole(body.to_vec().into()), encoding, media: Ok(Media::Message) };
    // A body that is already whole never waits.
    let reading = pin!(parcel.read_question());
    let Poll::Ready(read) = reading.poll(&mut Context::from_waker(Waker::noop())) else {
        unreachable!("a whole body was waited for")
    };
    let message = match read {
        Ok(message) => message,
        Err(rejection) => return blamed(&rejection),
    };
    assert!(message.len() <= BODY_BYTES_MAX);
    let names = asked(&message);
    match decode(&message, &contract) {
        Ok((question, form)) => {
            questions(&question);
            assert_eq!(question.body_bytes, message.len());
            assert!(form.id.as_ref().is_none_or(|id| (1..=128).contains(&id.len()) && id.is_ascii()));
            let (again, form) = decode(&written(&question), &contract).unwrap();
            same(tensors_of(&question), &again);
            assert_eq!(form.raw, !tensors_of(&question).is_empty());
            if let Err(rejection) = names {
                // Readable, but about nothing; or of a name that is no text, which no other step looks at.
                blamed(&rejection);
            }
        }
        Err(rejection) => blamed(&rejection),
    }
}

fn blamed(rejection: &Rejection) {
    let codes = [Code::InvalidInput, Code::TooLarge, Code::UnsupportedMedia, Code::NotFound];
    assert!(codes.contains(&rejection.code), "{rejection:?}");
    assert!(rejection.field.as_deref().is_none_or(|field| field.len() < 64), "{rejection:?}");
}

/// The same tensors as another writer would send them: raw.
fn written(question: &Question) -> Vec<u8> {
    fn varint(mut value: u64, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    }
    fn field(number: u8, content: &[u8], bytes: &mut Vec<u8>) {
        bytes.push(number << 3 | 2);
        varint(content.len() as u64, bytes);
        bytes.extend_from_slice(content);
    }
    let mut message = Vec::new();
    for tensor in tensors_of(question) {
        let (mut input, mut shape, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        tensor.shape.iter().for_each(|extent| varint(*extent as u64, &mut shape));
        field(1, tensor.name.as_bytes(), &mut input);
        field(2, tensor.data.datatype().as_str().as_bytes(), &mut input);
        field(3, &shape, &mut input);
        field(5, &input, &mut message);
        tensor::pack(&tensor.data, &mut raw);
        field(7, &raw, &mut message);
    }
    message
}
