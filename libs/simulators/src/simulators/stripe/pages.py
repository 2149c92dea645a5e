"""Pages for people: Checkout, the bank's question, the portal, receipts and invoices. They work without scripts."""

from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.stripe import checkout, invoices, portal, subscriptions
from simulators.stripe.cards import BY_NUMBER, CARDS
from simulators.stripe.customers import new_card
from simulators.stripe.errors import StripeError
from simulators.stripe.payments import Declined, authenticated, set_up
from simulators.stripe.pdf import one_page
from simulators.stripe.routing import Object, World

_FORM_BYTES = 20_000
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1a1f36;background:#f6f8fa;margin:0}
main{max-width:28rem;margin:3rem auto;padding:2rem;background:#fff;border-radius:.75rem;box-shadow:0 2px 12px #0002}
h1{font-size:1.25rem;margin:0 0 1rem}form+h1,table+h1{margin-top:2rem}
label{display:block;margin:.75rem 0 .25rem;font-weight:600}
input,select{width:100%;box-sizing:border-box;padding:.6rem;font:inherit;border:1px solid #8792a2;border-radius:.4rem}
button{width:100%;margin-top:1.25rem;padding:.75rem;font:inherit;font-weight:600;color:#fff;background:#4338ca;
border:0;border-radius:.4rem;cursor:pointer}button.quiet{color:#4338ca;background:#eef2ff}
table{width:100%;border-collapse:collapse}td,th{padding:.35rem 0;text-align:left}td:last-child{text-align:right}
.total td{border-top:1px solid #d5dbe1;font-weight:700}.error{padding:.75rem;color:#8c1c13;background:#fdecea;
border-radius:.4rem}.note{color:#596171;font-size:.875rem}.row{display:flex;gap:1rem}.row>div{flex:1}
input:focus,select:focus,button:focus,a:focus{outline:3px solid #a5b4fc}
"""


def money(cents: int, currency: str = "usd") -> str:
    """An amount for people."""
    sign = "-" if cents < 0 else ""
    return (
        f"{sign}${abs(cents) / 100:,.2f}"
        if currency == "usd"
        else f"{sign}{abs(cents) / 100:,.2f} {currency.upper()}"
    )


def page(title: str, body: str, status: int = 200) -> Response:
    """One page."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{body}"
        '<p class="note">Simulated Stripe: no money moves.</p></main></body></html>',
        status,
    )


async def form_of(request: Request) -> dict[str, str]:
    """A small form."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_BYTES:
            break
    return dict(parse_qsl(body.decode(errors="replace")))


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %B %Y")


class Pages:
    """The pages of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/c/pay/{session}", self.checkout, methods=["GET", "POST"]),
            Route("/3ds/{intent}", self.authenticate, methods=["GET", "POST"]),
            Route("/p/session/{session}", self.portal, methods=["GET", "POST"]),
            Route("/receipts/{charge}", self.receipt),
            Route("/invoices/{invoice}", self.invoice),
            Route("/invoices/{invoice}/pdf", self.invoice_pdf),
        ]

    # Checkout

    async def checkout(self, request: Request) -> Response:
        """The form, and what becomes of it."""
        session = self._world.store.get("checkout.session", request.path_params["session"])
        if session is None or session["status"] == "expired":
            return page("This page is gone", "<p>The link has expired. Go back and begin again.</p>", 404)
        if session["status"] == "complete":
            return RedirectResponse(_success(session), 303)
        if request.method == "GET":
            return self._checkout_form(session, {}, None)
        form = await form_of(request)
        problem = _form_problem(form)
        if problem is not None:
            return self._checkout_form(session, form, problem)
        try:
            bank = checkout.pay(
                self._world, session, form.get("number", ""), form.get("name", ""), form.get("email", "")
            )
        except StripeError as error:
            return self._checkout_form(session, form, str(error.body["error"]["message"]))
        finally:
            self._world.store.commit()
        return RedirectResponse(bank or _success(session), 303)

    def _checkout_form(self, session: Object, form: dict[str, str], problem: str | None) -> Response:
        details = session["total_details"]
        rows = "".join(
            f"<tr><td>{escape(line['description'])} x {line['quantity']}</td>"
            f"<td>{money(line['amount_subtotal'], line['currency'])}</td></tr>"
            for line in session["lines"]
        )
        for label, amount in (("Discount", -details["amount_discount"]), ("Tax", details["amount_tax"])):
            if amount:
                rows += f"<tr><td>{label}</td><td>{money(amount, session['currency'])}</td></tr>"
        if session["amount_total"] is not None:
            rows += (
                f'<tr class="total"><td>Total</td><td>{money(session["amount_total"], session["currency"])}</td></tr>'
            )
        verb = {"setup": "Save card", "subscription": "Subscribe"}.get(session["mode"], "Pay")
        cards = "".join(f"<li>{card.number} {card.behaviour.replace('_', ' ')}</li>" for card in CARDS)
        error = f'<p class="error" role="alert" id="error">{escape(problem)}</p>' if problem else ""
        cancel = session["cancel_url"]
        back = f'<p><a href="{escape(cancel)}" id="cancel">Back</a></p>' if cancel else ""
        email = form.get("email") or session["customer_email"] or ""
        return page(
            verb,
            # Named, for the form is also shown where the bank has just refused.
            f'<table>{rows}</table>{error}<form method="post" action="/c/pay/{session["id"]}">'
            + _input("email", "E-mail", email, "email", kind="email")
            + _input("number", "Card number", form.get("number", ""), "cc-number", mode="numeric")
            + '<div class="row"><div>'
            + _input("expiry", "Expiry (MM/YY)", form.get("expiry", ""), "cc-exp")
            + "</div><div>"
            + _input("cvc", "CVC", "", "cc-csc", mode="numeric")
            + "</div></div>"
            + _input("name", "Name on card", form.get("name", ""), "cc-name")
            + f'<button id="pay">{verb}</button></form>{back}'
            f'<details class="note"><summary>Test cards</summary><ul>{cards}</ul></details>',
            402 if problem else 200,
        )

    # The bank

    async def authenticate(self, request: Request) -> Response:
        """The bank asks whether it is really the customer."""
        world, identity = self._world, request.path_params["intent"]
        intent = world.store.get("payment_intent", identity) or world.store.get("setup_intent", identity)
        if intent is None or intent["status"] != "requires_action":
            return page("Nothing to confirm", "<p>This payment is not waiting for your bank.</p>", 404)
        session = checkout.session_of_intent(world, intent)
        if request.method == "GET":
            return page(
                "3-D Secure",
                "<p>Your bank asks you to confirm this payment.</p>"
                '<form method="post"><button id="complete" name="answer" value="complete">Complete</button>'
                '<button id="fail" name="answer" value="fail" class="quiet">Fail</button></form>',
            )
        success = (await form_of(request)).get("answer") == "complete"
        try:
            self._answered(intent, session, success=success)
        except Declined as declined:
            if session is None:
                return page("Not confirmed", f"<p>{escape(declined.body['error']['message'])}</p>", 402)
            return self._checkout_form(session, {}, str(declined.body["error"]["message"]))
        finally:
            world.store.commit()
        if session is not None:
            return RedirectResponse(_success(session), 303)
        back = ((request.query_params.get("return_url")) or "").strip()
        return RedirectResponse(back, 303) if back else page("Confirmed", "<p>You can close this page.</p>")

    def _answered(self, intent: Object, session: Object | None, *, success: bool) -> None:
        world = self._world
        if intent["object"] == "setup_intent":
            if not success:
                message = "The provided PaymentMethod has failed authentication."
                world.save(intent, status="requires_payment_method", payment_method=None, next_action=None)
                world.emit("setup_intent.setup_failed", intent)
                raise Declined(402, "card_error", message, code="setup_intent_authentication_failure")
            set_up(world, intent, authenticated=True)
        else:
            authenticated(world, intent, success=success)
            invoice = invoices.invoice_of_intent(world, intent["id"])
            if session is None and invoice is not None and invoice["status"] == "open":
                invoices.settle(world, invoice, intent)
                subscriptions.invoice_ended(world, invoice)
        if session is not None:
            checkout.complete(world, session)

    # The portal

    async def portal(self, request: Request) -> Response:
        """The customer's subscription, card and invoices."""
        world = self._world
        session = world.store.get("billing_portal.session", request.path_params["session"])
        if session is None:
            return page("This page is gone", "<p>Go back and open the portal again.</p>", 404)
        problem = None
        if request.method == "POST":
            form = await form_of(request)
            try:
                self._look_after(session["customer"], form)
            except StripeError as error:
                problem = str(error.body["error"]["message"])
            finally:
                world.store.commit()
        return self._portal_page(session, problem)

    def _look_after(self, customer: str, form: dict[str, str]) -> None:
        world = self._world
        subscription = portal.live_subscription(world, customer)
        match form.get("action"):
            case "card":
                card = BY_NUMBER.get(form.get("number", "").replace(" ", ""))
                if card is None:
                    raise Declined(402, "card_error", "Your card number is invalid.", code="incorrect_number")
                method = new_card(world, card, customer)
                world.emit("payment_method.attached", method)
                holder = world.get("customer", customer)
                settings = {**holder["invoice_settings"], "default_payment_method": method["id"]}
                world.change("customer.updated", holder, invoice_settings=settings)
                if subscription is not None:
                    world.change("customer.subscription.updated", subscription, default_payment_method=method["id"])
            case "plan" if subscription is not None:
                price = portal.wanted_price(world, form.get("price", ""), subscription["currency"])
                subscriptions.change_price(world, subscription, price, behaviour="always_invoice", strict=True)
            case "cancel" if subscription is not None:
                params = {"cancel_at_period_end": "true"}
                subscriptions.update_subscription(world, params, subscription["id"])
            case "resume" if subscription is not None:
                params = {"cancel_at_period_end": "false"}
                subscriptions.update_subscription(world, params, subscription["id"])

    def _portal_page(self, session: Object, problem: str | None) -> Response:
        world, customer = self._world, session["customer"]
        subscription = portal.live_subscription(world, customer)
        parts = [f'<p class="error" role="alert" id="error">{escape(problem)}</p>'] if problem else []
        if subscription is None:
            parts.append("<p>There is no subscription.</p>")
        else:
            parts.append(self._subscription_part(subscription))
        parts.append(
            '<h1>Card</h1><form method="post"><input type="hidden" name="action" value="card">'
            + _input("number", "Card number", "", "cc-number", mode="numeric")
            + '<button id="card" class="quiet">Use this card</button></form>'
        )
        bills = "".join(
            f'<tr><td><a href="{one["hosted_invoice_url"]}">{one["number"]}</a> {one["status"]}</td>'
            f"<td>{money(one['total'], one['currency'])}</td></tr>"
            for one in world.store.all("invoice", customer=customer)
            if one["number"]
        )
        parts.append(f"<h1>Invoices</h1><table>{bills}</table>")
        if session["return_url"]:
            parts.append(f'<p><a id="return" href="{escape(session["return_url"])}">Back</a></p>')
        return page("Billing", "".join(parts), 402 if problem else 200)

    def _subscription_part(self, subscription: Object) -> str:
        (item,) = subscription["items"]["data"]
        price, world = item["price"], self._world
        name = escape(world.get("product", price["product"])["name"])
        until = _day(item["current_period_end"])
        ends = subscription["cancel_at_period_end"]
        options = "".join(
            f'<option value="{one["id"]}"{" selected" if one["id"] == price["id"] else ""}>'
            f"{escape(world.get('product', one['product'])['name'])} "
            f"{money(one['unit_amount'], one['currency'])}/{one['recurring']['interval']}</option>"
            for one in portal.choices(world, subscription["currency"])
        )
        other, label = ("resume", "Do not cancel after all") if ends else ("cancel", "Cancel at the period's end")
        return (
            f'<p id="plan">{name}, {money(price["unit_amount"], price["currency"])} '
            f"a {price['recurring']['interval']}, "
            f"{subscription['status']}, {'ends' if ends else 'renews'} on {until}</p>"
            f'<form method="post"><label for="price">Plan</label><select id="price" name="price">{options}</select>'
            '<button id="change" name="action" value="plan">Change plan</button></form>'
            f'<form method="post"><button id="{other}" name="action" value="{other}" class="quiet">'
            f"{label}</button></form>"
        )

    # Paper

    async def receipt(self, request: Request) -> Response:
        """What a charge was for."""
        charge = self._world.store.get("charge", request.path_params["charge"])
        if charge is None or not charge["paid"]:
            return page("No such receipt", "<p>Check the link.</p>", 404)
        card = charge["payment_method_details"]["card"]
        refunded = charge["amount_refunded"]
        rows = f"<tr><td>Amount paid</td><td>{money(charge['amount'], charge['currency'])}</td></tr>"
        if refunded:
            rows += f"<tr><td>Refunded</td><td>{money(refunded, charge['currency'])}</td></tr>"
        rows += f"<tr><td>Date</td><td>{_day(charge['created'])}</td></tr>"
        rows += f"<tr><td>Card</td><td>{card['brand']} {card['last4']}</td></tr>"
        return page("Receipt", f"<table>{rows}</table>")

    async def invoice(self, request: Request) -> Response:
        """An invoice."""
        invoice = self._world.store.get("invoice", request.path_params["invoice"])
        if invoice is None or invoice["number"] is None:
            return page("No such invoice", "<p>Check the link.</p>", 404)
        rows = "".join(f"<tr><td>{escape(label)}</td><td>{amount}</td></tr>" for label, amount in _told(invoice))
        pdf = f'<p><a href="{invoice["invoice_pdf"]}">Download as PDF</a></p>'
        return page(f"Invoice {invoice['number']}", f"<table>{rows}</table><p>{invoice['status']}</p>{pdf}")

    async def invoice_pdf(self, request: Request) -> Response:
        """The same as a PDF."""
        invoice = self._world.store.get("invoice", request.path_params["invoice"])
        if invoice is None or invoice["number"] is None:
            return page("No such invoice", "<p>Check the link.</p>", 404)
        lines = [f"Invoice {invoice['number']}", _day(invoice["created"]), invoice["customer_email"] or "", ""]
        lines += [f"{label}: {amount}" for label, amount in _told(invoice)] + ["", f"Status: {invoice['status']}"]
        headers = {"content-disposition": f'attachment; filename="Invoice-{invoice["number"]}.pdf"'}
        return Response(one_page(lines), 200, headers, "application/pdf")


def _told(invoice: Object) -> list[tuple[str, str]]:
    currency = invoice["currency"]
    rows = [(line["description"], money(line["amount"], currency)) for line in invoice["lines"]["data"]]
    discount = sum(one["amount"] for one in invoice["total_discount_amounts"])
    tax = sum(one["amount"] for one in invoice["total_taxes"])
    for label, amount in (("Discount", -discount), ("Tax", tax)):
        if amount:
            rows.append((label, money(amount, currency)))
    return [*rows, ("Total", money(invoice["total"], currency)), ("Paid", money(invoice["amount_paid"], currency))]


def _success(session: Object) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _form_problem(form: dict[str, str]) -> str | None:
    month, _, year = form.get("expiry", "").replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit() and 1 <= int(month) <= 12):
        return "Your card's expiration date is incomplete."
    now = datetime.now(UTC)
    if (2000 + int(year) % 100, int(month)) < (now.year, now.month):
        return "Your card's expiration year is in the past."
    if not (form.get("cvc", "").isdigit() and 3 <= len(form["cvc"]) <= 4):
        return "Your card's security code is incomplete."
    if "@" not in form.get("email", ""):
        return "Your email is incomplete."
    return None


def _input(name: str, label: str, value: str, complete: str, *, kind: str = "text", mode: str = "text") -> str:
    return (
        f'<label for="{name}">{escape(label)}</label><input id="{name}" name="{name}" type="{kind}" '
        f'inputmode="{mode}" autocomplete="{complete}" value="{escape(value)}" required>'
    )
