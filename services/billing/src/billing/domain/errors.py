"""Why a job is refused or fails, in billing's own cases; the sentence is what the customer reads.

::

    refused   insufficient_quota   accept_expired   price_unavailable
    failed    cancelled   deadline_exceeded   output_unavailable
"""

MESSAGES = {
    "insufficient_quota": "The balance does not cover the price of this request.",
    "accept_expired": "The request was not accepted in time; nothing was charged.",
    "price_unavailable": "There is no price in force for this request.",
    "cancelled": "The request was cancelled; nothing was charged.",
    "deadline_exceeded": "The request was not finished in time; nothing was charged.",
    "output_unavailable": "No output could be stored; nothing was charged.",
}
