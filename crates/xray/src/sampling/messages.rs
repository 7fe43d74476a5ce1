//! The API's messages about sampling, as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::central::{Central, INTERVAL, MAX_STATISTICS, Quota, Summary};
use super::rule::Rule;

/// An operation of the API that rules in a file are enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GetSamplingRules`
    Rules,
    /// `GetSamplingTargets`
    Targets,
    /// `GetSamplingStatisticSummaries`
    Summaries,
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Its name. The HTTP status is 400.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Operation {
    /// The operation behind a path; all are `POST`.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/GetSamplingRules" => Some(Self::Rules),
            "/SamplingTargets" => Some(Self::Targets),
            "/SamplingStatisticSummaries" => Some(Self::Summaries),
            _ => None,
        }
    }
}

/// One of `SamplingStatisticsDocuments`.
struct Report<'a> {
    rule: &'a str,
    client: &'a str,
    requests: u64,
    sampled: u64,
    borrowed: u64,
}

impl Central {
    /// Answers an operation, whose body is JSON, with JSON.
    ///
    /// # Errors
    /// If the request is not understood. Whatever is wrong with one rule's statistics is told in the answer.
    pub fn answer(&mut self, operation: Operation, body: &[u8], now: Duration) -> Result<Vec<u8>, ApiError> {
        // Some clients send nothing where others send an empty map.
        let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
        let request: Value = serde_json::from_slice(body)
            .map_err(|error| ApiError { code: "SerializationException", message: error.to_string() })?;
        if !request.is_object() {
            return Err(invalid("the request is no map"));
        }
        let answer = match operation {
            Operation::Rules => self.rules_answer(),
            Operation::Targets => self.targets_answer(&request, now)?,
            Operation::Summaries => self.summaries_answer(now),
        };
        Ok(answer.to_string().into_bytes())
    }

    fn rules_answer(&self) -> Value {
        let changed = seconds(self.changed());
        // The API lists rules by name, the default rule at the end.
        let mut rules: Vec<&Rule> = self.rules().collect();
        rules.sort_by_key(|rule| (rule.is_default(), &rule.name));
        let records = rules.into_iter().map(|rule| {
            let created = if rule.is_default() { 0.0 } else { changed };
            json!({"SamplingRule": rule_json(rule), "CreatedAt": created, "ModifiedAt": changed})
        });
        json!({"NextToken": null, "SamplingRuleRecords": records.collect::<Vec<_>>()})
    }

    fn targets_answer(&mut self, request: &Value, now: Duration) -> Result<Value, ApiError> {
        let documents = list(request, "SamplingStatisticsDocuments")?;
        list(request, "SamplingBoostStatisticsDocuments")?;
        let (mut targets, mut unprocessed) = (Vec::new(), Vec::new());
        for report in documents.iter().map(report).collect::<Result<Vec<_>, _>>()? {
            let counts = [report.requests, report.sampled, report.borrowed];
            match self.report(report.rule, report.client, counts, now) {
                Some((rate, quota)) => targets.push(target_json(report.rule, rate, quota)),
                None => unprocessed.push(json!({
                    "RuleName": report.rule, "ErrorCode": "400", "Message": "Unknown rule"
                })),
            }
        }
        Ok(json!({
            "SamplingTargetDocuments": targets,
            "LastRuleModification": seconds(self.changed()),
            "UnprocessedStatistics": unprocessed,
            "UnprocessedBoostStatistics": null,
        }))
    }

    fn summaries_answer(&mut self, now: Duration) -> Value {
        let row = |(rule, summary): (&str, Summary)| {
            json!({
                "RuleName": rule,
                "Timestamp": summary.start,
                "RequestCount": summary.requests,
                "SampledCount": summary.sampled,
                "BorrowCount": summary.borrowed,
            })
        };
        let rows: Vec<Value> = self.summaries(now).into_iter().map(row).collect();
        json!({"NextToken": null, "SamplingStatisticSummaries": rows})
    }
}

/// What a rule looks like to clients.
fn rule_json(rule: &Rule) -> Value {
    json!({
        "RuleName": rule.name,
        // Nobody has an account here; clients go by names.
        "RuleARN": format!("arn:aws:xray:local:000000000000:sampling-rule/{}", rule.name),
        "ResourceARN": rule.resource_arn,
        "Priority": rule.priority,
        "FixedRate": rule.fixed_rate,
        "ReservoirSize": rule.reservoir_size,
        "ServiceName": rule.service_name,
        "ServiceType": rule.service_type,
        "Host": rule.host,
        "HTTPMethod": rule.http_method,
        "URLPath": rule.url_path,
        "Version": rule.version,
        "Attributes": rule.attributes,
    })
}

fn target_json(rule: &str, rate: f64, quota: Option<Quota>) -> Value {
    json!({
        "RuleName": rule,
        "FixedRate": rate,
        "ReservoirQuota": quota.map(|quota| quota.size),
        "ReservoirQuotaTTL": quota.map(|quota| seconds(quota.ends)),
        "Interval": quota.map(|_| INTERVAL.as_secs()),
        "SamplingBoost": null,
    })
}

fn list<'a>(request: &'a Value, name: &str) -> Result<&'a [Value], ApiError> {
    let list = match request.get(name) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => return Err(invalid(&format!("{name} is no list"))),
    };
    match list.len() {
        count if count > MAX_STATISTICS => {
            Err(invalid(&format!("{count} entries in {name}; {MAX_STATISTICS} are the most")))
        }
        _ => Ok(list),
    }
}

fn report(document: &Value) -> Result<Report<'_>, ApiError> {
    let text = |name: &str| {
        let text = document.get(name).and_then(Value::as_str).filter(|text| (1..=64).contains(&text.len()));
        text.ok_or_else(|| invalid(&format!("{name} of a statistics document is missing or too long")))
    };
    // Counts are integers, which some clients write with a fraction of nothing.
    let count = |name: &str| {
        let value = document.get(name).filter(|value| !value.is_null());
        let number = value.map_or(Some(0), |value| value.as_u64().or_else(|| whole(value.as_f64()?)));
        number.ok_or_else(|| invalid(&format!("{name} of a statistics document is no count")))
    };
    Ok(Report {
        rule: text("RuleName")?,
        client: text("ClientID")?,
        requests: count("RequestCount")?,
        sampled: count("SampledCount")?,
        borrowed: count("BorrowCount")?,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(number: f64) -> Option<u64> {
    ((0.0..9.0e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// Seconds since the epoch, to the millisecond, as the API writes them.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1e3
}

fn invalid(message: &str) -> ApiError {
    ApiError { code: "InvalidRequestException", message: message.to_owned() }
}
