//! Everything that can be wrong with a message, made from its descriptor: each field, at any depth,
//! absent, huge, negative and of a wrong length. A field added to the protocol is put to the test too.

use protox::prost::Message;
use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    Value,
};

/// Longer than anything that is kept.
const HUGE: usize = 100_000;
/// More than any list of these messages has.
const MANY: usize = 5_000;

/// What was done to one field.
#[derive(Clone, Debug)]
pub(crate) struct Variant<M> {
    /// `field.field: what`.
    pub(crate) name: String,
    pub(crate) message: M,
}

fn pool() -> DescriptorPool {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
    let mut compiler = protox::Compiler::new([folder]).unwrap();
    compiler.open_file("poco/v1/pool.proto").unwrap().descriptor_pool()
}

/// All variants of a message of that name.
pub(crate) fn variants<M: Message + Default>(name: &str, message: &M) -> Vec<Variant<M>> {
    let descriptor = pool().get_message_by_name(&format!("poco.v1.{name}")).unwrap();
    let bytes = message.encode_to_vec();
    let message = DynamicMessage::decode(descriptor, bytes.as_slice()).unwrap();
    let of = |(name, message): (String, DynamicMessage)| Variant {
        name,
        message: M::decode(message.encode_to_vec().as_slice()).unwrap(),
    };
    changed(&message).into_iter().map(of).collect()
}

fn changed(message: &DynamicMessage) -> Vec<(String, DynamicMessage)> {
    let descriptor: MessageDescriptor = message.descriptor();
    descriptor.fields().flat_map(|field| of_field(message, &field)).collect()
}

fn of_field(message: &DynamicMessage, field: &FieldDescriptor) -> Vec<(String, DynamicMessage)> {
    // Of a choice only what was chosen is varied: each choice has a test of its own.
    if field.containing_oneof().is_some() && !message.has_field(field) {
        return Vec::new();
    }
    let mut all = Vec::new();
    if message.has_field(field) {
        let mut without = message.clone();
        without.clear_field(field);
        all.push((format!("{}: absent", field.name()), without));
    }
    let before = message.get_field(field).into_owned();
    for (what, value) in of_value(field, &before) {
        let mut with = message.clone();
        with.set_field(field, value);
        all.push((format!("{}{what}", field.name()), with));
    }
    all
}

fn of_value(field: &FieldDescriptor, before: &Value) -> Vec<(String, Value)> {
    if let Value::List(list) = before {
        let usual = list.first().cloned().unwrap_or_else(|| Value::default_value(&field.kind()));
        let mut all = vec![(": many".to_owned(), Value::List(vec![usual.clone(); MANY]))];
        let each = of_single(&field.kind(), &usual);
        all.extend(each.into_iter().map(|(what, value)| (what, Value::List(vec![value]))));
        return all;
    }
    of_single(&field.kind(), before)
}

fn of_single(kind: &Kind, before: &Value) -> Vec<(String, Value)> {
    let named = |values: Vec<(&str, Value)>| -> Vec<(String, Value)> {
        values.into_iter().map(|(name, value)| (format!(": {name}"), value)).collect()
    };
    let bytes = |length: usize| Value::Bytes(vec![7; length].into());
    match kind {
        Kind::Message(_) => {
            let Value::Message(inner) = before else { return Vec::new() };
            let all = changed(inner);
            all.into_iter().map(|(name, with)| (format!(".{name}"), Value::Message(with))).collect()
        }
        Kind::Bytes => named(vec![
            ("1 byte", bytes(1)),
            ("19 bytes", bytes(19)),
            ("31 bytes", bytes(31)),
            ("33 bytes", bytes(33)),
            ("66 bytes", bytes(66)),
            ("huge", bytes(HUGE)),
        ]),
        Kind::String => named(vec![
            ("huge", Value::String("x".repeat(HUGE))),
            ("odd", Value::String("\u{0}\n\u{202e}💣'\"%s<b>".into())),
        ]),
        Kind::Uint32 => named(vec![("huge", Value::U32(u32::MAX))]),
        Kind::Uint64 => named(vec![("huge", Value::U64(u64::MAX))]),
        Kind::Int32 => named(vec![
            ("negative", Value::I32(i32::MIN)),
            ("minus one", Value::I32(-1)),
            ("huge", Value::I32(i32::MAX)),
        ]),
        Kind::Enum(_) => named(vec![
            ("negative", Value::EnumNumber(-1)),
            ("huge", Value::EnumNumber(i32::MAX)),
            ("the first", Value::EnumNumber(1)),
        ]),
        Kind::Bool => named(vec![("true", Value::Bool(true)), ("false", Value::Bool(false))]),
        other => panic!("the protocol has fields of {other:?} now: say what is wrong with those"),
    }
}
