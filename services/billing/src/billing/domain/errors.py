"""Why a job is refused or fails, in billing's own cases; the sentence is what the customer reads.

::

    refused   insufficient_quota   accept_expired   price_unavailable   price_changed   invalid_quote
              account_closed   account_suspended   spend_cap_reached   too_many_open_jobs   unknown_key
    failed    cancelled   deadline_exceeded   output_unavailable
"""

MESSAGES = {
    "insufficient_quota": "The balance does not cover the price of this request.",
    "accept_expired": "The request was not accepted in time; nothing was charged.",
    "price_unavailable": "There is no price in force for this request.",
    "account_closed": "This account is being closed; its open jobs finish and no new ones begin.",
    "account_suspended": "This account is suspended. Write to support to have it looked at.",
    "spend_cap_reached": "This request would go beyond the spending limit of this month.",
    "too_many_open_jobs": "This account has as many open jobs as it may have; wait for some to finish.",
    "unknown_key": "This account limits what each key may spend, and this request names none.",
    "price_changed": "The price is above the most that this request may cost; ask for a new quote.",
    "invalid_quote": "This quote_id was not given for this request; ask for a quote with the same body.",
    "cancelled": "The request was cancelled; nothing was charged.",
    "deadline_exceeded": "The request was not finished in time; nothing was charged.",
    "output_unavailable": "No output could be stored; nothing was charged.",
}
