import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import recgrela.Filter;
import recgrela.Ids;
import recgrela.ItemId;
import recgrela.Model;
import recgrela.Reason;
import recgrela.Recommendation;
import recgrela.RecgrelaException;
import recgrela.Session;

/** The same API from Java. */
class JavaTest {
    private static final Path GOLDEN = Path.of(System.getProperty("recgrela.tests"), "golden");

    @Test
    void recommends() throws RecgrelaException {
        String path = GOLDEN.resolve("f32.safetensors").toString();
        try (Model model = Model.Companion.open(path); Session session = model.newSession()) {
            Ids.append(session, -30000);
            Ids.extendNumbers(session, List.of(-22081L, -14162L));
            Filter filter = new Filter(true, null, List.of(), null);
            List<Recommendation> top = session.topK(5, filter);
            assertEquals(5, top.size());
            ItemId best = top.get(0).getItem();
            assertTrue(Ids.getRaw(best) instanceof Long);
            assertEquals(List.of(top.get(0).getScore()), session.score(List.of(best)));

            assertThrows(RecgrelaException.UnknownItem.class, () -> Ids.append(session, "a text"));
            byte[] snapshot = session.snapshot();
            session.reset();
            session.restore(snapshot);
            assertEquals(3, session.events());
            try (Session clone = session.clone()) {
                clone.restore(session.snapshotF16());
                assertEquals(session.topK(5, filter), clone.topK(5, filter));
            }
            assertEquals(session.userVector().size(), model.config().getHiddenSize());
        }
    }

    @Test
    void appendsEventsOfKinds() throws RecgrelaException {
        String path = GOLDEN.resolve("both.safetensors").toString();
        try (Model model = Model.Companion.open(path); Session session = model.newSession()) {
            String kind = model.kinds().get(0);
            Ids.append(session, "é-30000", kind);
            Ids.extendTexts(session, List.of("é-22081"), List.of(kind));
            session.append(model.itemIds().get(0), kind, null);
            assertEquals(3, session.events());
            session.reset();
            session.keepLog(10);
            Ids.extendTexts(session, List.of("é-30000", "é-22081"), List.of(kind, kind));
            List<Reason> reasons = Ids.why(session, "é1676");
            assertEquals(2, reasons.size());
            for (Reason reason : reasons) {
                assertTrue(reason.getDrop() > 0);
                assertEquals(kind, reason.getKind());
            }
        }
    }
}
