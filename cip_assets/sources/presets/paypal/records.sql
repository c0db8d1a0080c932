-- What each transaction is, by its type and its status; the sign alone does not say it. A refund names its payment.
WITH transactions AS (
  SELECT _file, _line,
    coalesce("Transaction ID", "Transaktionscode") AS "transaction",
    coalesce("Reference Txn ID", "Zugehöriger Transaktionscode") AS reference,
    coalesce("Type", "Typ", "Description", "Beschreibung") AS what,
    coalesce("Status", '') AS status,
    coalesce("Balance Impact", "Auswirkung auf Guthaben", '') AS impact,
    coalesce("Date", "Datum") AS "day",
    coalesce("Currency", "Währung") AS "currency",
    coalesce("From Email Address", "Absender E-Mail-Adresse") AS sender,
    coalesce(number("Gross", '.'), number("Brutto", ',')) AS gross,
    coalesce(number("Shipping and Handling Amount", '.'), number("Versand- und Bearbeitungsgebühr", ','), 0)
      + coalesce(number("Insurance Amount", '.'), number("Versicherungsbetrag", ','), 0) AS shipping,
    coalesce(number("Sales Tax", '.'), number("Umsatzsteuer", ','), 0) AS tax
  FROM payments
), sorted AS (
  SELECT *,
    regexp_full_match(what, 'payment refund|refund|payment reversal|reversal|chargeback|rückzahlung|rückbuchung'
      '|zahlungsrückbuchung|rückbuchung (der |einer )?zahlung|kreditkartenrückbuchung|rückbelastung', 'i') AS is_refund,
    regexp_full_match(what, '(paypal )?(mobile )?(express checkout|website|web accept|mobile|general|subscription'
      '|recurring|ebay auction|auction|shopping cart|direct credit card|advanced credit and debit card|credit card'
      '|virtual terminal|invoice|preapproved|preapproved payment bill user|paypal here|donation|pay upon invoice|order)'
      ' payment( received)?|payment received|donation received'
      '|(paypal )?express-?(zahlung|checkout-zahlung|kaufabwicklung)|zahlung (per|über) express-kaufabwicklung'
      '|website-?zahlung|handyzahlung|mobile zahlung|(allgemeine|erhaltene|wiederkehrende) zahlung'
      '|abo(nnement)?-?zahlung|ebay-auktionszahlung|zahlung erhalten|kreditkartenzahlung|spendenzahlung|rechnungszahlung'
      '|direktzahlung per kreditkarte|zahlung im einzugsverfahren mit zahlungsrechnung', 'i') AS is_payment
  FROM transactions
), kinds AS (
  SELECT *,
    CASE
      WHEN is_payment AND gross > 0 AND regexp_matches(status, '^(pending|on hold|held|in progress|uncleared|'
        'unclaimed|placed|offen|ausstehend|in bearbeitung|nicht (abgeschlossen|eingelöst)|unbezahlt)', 'i') THEN 'pending'
      WHEN is_payment AND gross > 0 AND regexp_matches(status, '^(denied|failed|cancell?ed|expired|voided|removed|'
        'returned|abgelehnt|fehlgeschlagen|storniert|abgebrochen|abgelaufen)', 'i') THEN 'failed'
      WHEN impact ILIKE 'memo' THEN 'other'
      WHEN is_payment AND gross > 0 THEN 'sale'
      WHEN is_refund AND gross < 0
        AND NOT regexp_matches(status, '^(pending|denied|failed|cancell?ed|offen|abgelehnt|storniert)', 'i') THEN 'refund'
      ELSE 'other'
    END AS sort
  FROM sorted
), newest AS (
  SELECT * FROM kinds QUALIFY row_number() OVER (PARTITION BY "transaction" ORDER BY _file DESC, _line DESC) = 1
), given_back AS (
  SELECT reference, -sum(gross) AS total FROM newest WHERE sort = 'refund' GROUP BY ALL
)
SELECT kinds._file, kinds._line, kinds."transaction", kinds.sort, kinds.what, kinds.status, kinds."day",
  kinds."currency",
  CASE WHEN kinds.sort = 'refund' THEN coalesce(sale."transaction", kinds.reference, kinds."transaction")
    ELSE kinds."transaction" END AS "order",
  coalesce(sale.sender, CASE WHEN kinds.sort <> 'refund' THEN kinds.sender END) AS buyer,
  -- A whole refund gives back all of the goods, and a part of it at most what they cost.
  CASE WHEN kinds.sort <> 'refund' THEN kinds.gross - kinds.shipping - kinds.tax
    WHEN total >= sale.gross THEN round(kinds.gross * (sale.gross - sale.shipping - sale.tax) / total, 2)
    ELSE greatest(kinds.gross, coalesce(sale.shipping + sale.tax - sale.gross, kinds.gross)) END::DECIMAL(24, 6) AS goods,
  CASE WHEN kinds.sort = 'refund' THEN -kinds.gross END AS refunded,
  CASE WHEN kinds.sort = 'sale' THEN kinds.shipping END AS shipping,
  CASE WHEN kinds.sort = 'sale' THEN kinds.tax END AS tax,
  CASE WHEN kinds.sort = 'sale' THEN kinds.gross END AS charged
FROM kinds
  LEFT JOIN newest AS sale ON kinds.sort = 'refund' AND sale.sort = 'sale' AND sale."transaction" = kinds.reference
  LEFT JOIN given_back ON given_back.reference = kinds.reference
