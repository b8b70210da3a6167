//! Numbers and values on their way into the database and out of it.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::{Timestamp, Value};

/// PostgreSQL's integers are signed; ours count up from zero and stay far below the sign.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The unsigned number in a column.
pub(super) fn number(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column).max(0) as u64
}

pub(super) fn unsigned(row: &Row, column: usize) -> u32 {
    u32::try_from(row.get::<_, i32>(column)).unwrap_or(0)
}

pub(super) fn format(row: &Row, column: usize) -> u16 {
    u16::try_from(row.get::<_, i32>(column)).unwrap_or(u16::MAX)
}

pub(super) fn time(row: &Row, column: usize) -> Timestamp {
    Timestamp(row.get(column))
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => integer(*number, ty, out),
            Value::Real(number) if *ty == Type::FLOAT4 => (*number as f32).to_sql_checked(ty, out),
            Value::Real(number) => number.to_sql_checked(ty, out),
            Value::Text(text) => text.to_sql_checked(ty, out),
            Value::Blob(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    // Whether it fits is known for each value.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn integer(
    number: i64,
    ty: &Type,
    out: &mut BytesMut,
) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
    match *ty {
        Type::INT2 => i16::try_from(number)?.to_sql_checked(ty, out),
        Type::INT4 => i32::try_from(number)?.to_sql_checked(ty, out),
        Type::FLOAT8 => (number as f64).to_sql_checked(ty, out),
        _ => number.to_sql_checked(ty, out),
    }
}
