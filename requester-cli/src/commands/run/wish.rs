//! The request that a wish comes to: category, parameters, limits.

use super::RunArgs;
use crate::failure::Failure;
use crate::mark::Wish;
use poco_chain::Chain;
use poco_core::order::RequestOrder;
use poco_core::{Address, Amount, Conditions, U256};
use poco_sandbox::input::Source;
use poco_sandbox::split_args;
use serde_json::Value;

/// The request as wished for, with any price up to what the account can pay.
pub(super) async fn request(
    chain: &Chain,
    args: &RunArgs,
    requester: Address,
) -> Result<RequestOrder, Failure> {
    let mark = Wish { expires: args.expires, conditions: args.require.require.clone() };
    mark.refuse(
        Conditions::SPONSOR_ONLY,
        "poco run pays itself; `poco order sign request` makes a request that a sponsor matches",
    )?;
    let price_max = args.max_price.unwrap_or(Amount(U256::MAX));
    Ok(RequestOrder {
        app: args.app,
        app_price_max: price_max,
        dataset: args.dataset,
        dataset_price_max: price_max,
        workerpool: args.workerpool,
        workerpool_price_max: price_max,
        requester,
        volume: U256::from(args.volume),
        tag: args.tag,
        category: U256::from(category(chain, &args.category).await?),
        trust: U256::from(args.trust),
        beneficiary: args.beneficiary,
        callback: args.callback,
        params: params(args)?,
        salt: mark.salt(chain, requester).await?,
    })
}

/// The parameters: as given, or JSON made of arguments and inputs. Workers refuse what they cannot
/// read, so that is refused here, before anything is paid.
fn params(args: &RunArgs) -> Result<String, Failure> {
    let text = match &args.params {
        Some(params) => params.clone(),
        None => made_of(args)?,
    };
    check_params(&text)?;
    Ok(text)
}

fn made_of(args: &RunArgs) -> Result<String, Failure> {
    let mut json = serde_json::Map::new();
    if let Some(words) = &args.args {
        json.insert("iexec_args".to_owned(), words.as_str().into());
    }
    if !args.input_files.is_empty() {
        json.insert("iexec_input_files".to_owned(), args.input_files.clone().into());
    }
    if json.is_empty() {
        return Ok(String::new());
    }
    Ok(serde_json::to_string(&json).map_err(anyhow::Error::from)?)
}

/// Text that is no JSON object is the arguments themselves.
fn check_params(text: &str) -> Result<(), Failure> {
    let json = match serde_json::from_str(text) {
        Ok(Value::Object(json)) => json,
        // What begins like an object is meant as one.
        Err(error) if text.trim_start().starts_with('{') => {
            return Err(Failure::Usage(format!("--params begins like a JSON object: {error}")));
        }
        Ok(_) | Err(_) => return check_args(text),
    };
    match json.get("iexec_args") {
        None => {}
        Some(Value::String(words)) => check_args(words)?,
        Some(_) => return Err(Failure::Usage("--params: iexec_args is no text".to_owned())),
    }
    let files = match json.get("iexec_input_files") {
        None => return Ok(()),
        Some(Value::Array(files)) => files,
        Some(_) => return Err(Failure::Usage("--params: iexec_input_files is no list".to_owned())),
    };
    for file in files {
        let source = file.as_str().unwrap_or_default();
        source.parse::<Source>().map_err(|error| Failure::Usage(format!("input file: {error}")))?;
    }
    Ok(())
}

fn check_args(words: &str) -> Result<(), Failure> {
    split_args(words)
        .map(drop)
        .map_err(|error| Failure::Usage(format!("{error}; write them as for a shell")))
}

async fn category(chain: &Chain, text: &str) -> Result<u64, Failure> {
    let count = chain.category_count().await?;
    let mut names = Vec::new();
    for number in 0..count {
        let Some(found) = chain.category(poco_core::CategoryId(number)).await? else { continue };
        if found.name.eq_ignore_ascii_case(text) || number.to_string() == text {
            return Ok(number);
        }
        names.push(found.name);
    }
    Err(Failure::NotFound(format!("no category {text}: there are {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_no_worker_could_split_are_refused() {
        for text in ["'open", "\"", "a\0b", r#"{"iexec_args":"'"}"#, r#"{"iexec_args":5}"#] {
            assert!(matches!(check_params(text), Err(Failure::Usage(_))), "{text:?}");
        }
        for text in ["", "12", "a 'b c' \u{e9}\t\u{1f600}", r#"{"iexec_args":"'a b'","other":1}"#] {
            assert!(check_params(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_broken_object_is_not_taken_for_arguments() {
        for text in ["{\"iexec_args\": \"a", " {", r#"{"iexec_input_files":"http://x"}"#] {
            assert!(matches!(check_params(text), Err(Failure::Usage(_))), "{text:?}");
        }
        let ftp = check_params(r#"{"iexec_input_files":["ftp://x/y"]}"#).unwrap_err().to_string();
        assert!(ftp.contains("ftp is not fetched"), "{ftp}");
        assert!(check_params(r#"{"iexec_input_files":["https://x/y"]}"#).is_ok());
    }
}
